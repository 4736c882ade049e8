#pragma once
// Bytes of rows and frames. Little-endian; integers as zigzag varints (1 to 10 bytes), reals 8
// bytes, text as its length and then its bytes. Reading checks every bound: data_loss.

#include <cstdint>
#include <string>
#include <string_view>

namespace loadstone::analytics::internal {

class WireWriter {
public:
    explicit WireWriter(std::string& out) : out_(&out) {}
    void byte(std::uint8_t value) { out_->push_back(static_cast<char>(value)); }
    void integer(std::int64_t value);
    void real(double value);
    void text(std::string_view value);

private:
    std::string* out_;
};

class WireReader {
public:
    explicit WireReader(std::string_view in) : in_(in) {}
    bool at_end() const noexcept { return in_.empty(); }
    std::size_t left() const noexcept { return in_.size(); }
    std::uint8_t byte();
    std::int64_t integer();
    double real();
    std::string_view text();  // borrowed from what is read

private:
    std::string_view take(std::size_t bytes);
    std::string_view in_;
};

}  // namespace loadstone::analytics::internal
