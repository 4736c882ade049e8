#include <fmt/core.h>

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory_resource>

#include "loadstone/base/assert.h"
#include "loadstone/base/encoding.h"
#include "loadstone/base/internal/json_message.h"
#include "loadstone/base/internal/utf8.h"
#include "loadstone/base/json.h"

namespace loadstone {

namespace {

namespace json = boost::json;
using internal::expectation;
using internal::integer_range;
using internal::quoted_part;
using json::error_code;

// The parser recurses once per level: about 200 bytes of stack each.
constexpr int depth_limit = 1000;

// Where the value that begins goes. No type: nowhere, it is skipped.
struct Slot {
    const TypeInfo* type = nullptr;
    void* object = nullptr;
};

// A list or a record that is being filled.
struct Frame {
    Slot slot;
    const FieldInfo* field = nullptr;  // record: the member whose name came last
    std::size_t next = 0;              // list: elements begun; record: where a look-up starts
    std::size_t seen = 0;              // record: where its members begin in seen_
};

// The parser's events, filled into the object. basic_parser is told to stop by an error code; the
// Error that it stands for is kept here.
class Filler {
public:
    static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

    Filler(Slot root, const JsonReadOptions& options, std::pmr::memory_resource& memory)
        : root_(root), options_(options), frames_(&memory), seen_(&memory), parts_(&memory) {
        frames_.reserve(8);
        seen_.reserve(64);
    }

    const std::optional<Error>& error() const noexcept { return error_; }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }

    bool on_object_begin(error_code& ec) { return begin(TypeKind::record, "an object", ec); }
    bool on_array_begin(error_code& ec) { return begin(TypeKind::list, "a list", ec); }

    bool on_array_end(std::size_t, error_code&) {
        if (skipped_depth_ > 0) {
            --skipped_depth_;
        } else {
            frames_.pop_back();
        }
        return true;
    }

    bool on_object_end(std::size_t, error_code& ec) {
        if (skipped_depth_ > 0) {
            --skipped_depth_;
            return true;
        }
        Frame& frame = frames_.back();
        const auto fields = frame.slot.type->fields;
        for (std::size_t i = 0; i < fields.size() && !options_.missing_fields_allowed; ++i) {
            if (seen_[frame.seen + i] || fields[i].type().kind == TypeKind::optional) continue;
            frame.field = &fields[i];
            return fail("missing field", ec);
        }
        seen_.resize(frame.seen);
        frames_.pop_back();
        return true;
    }

    bool on_key_part(json::string_view part, std::size_t, error_code&) {
        parts_.append(part.data(), part.size());
        return true;
    }

    bool on_key(json::string_view last, std::size_t, error_code& ec) {
        const std::string_view name = joined(last);
        const bool is_read = skipped_depth_ > 0 || select_field(name, ec);
        parts_.clear();
        return is_read;
    }

    bool on_string_part(json::string_view part, std::size_t, error_code& ec) {
        if (!is_in_text_ && !begin_text(ec)) return false;
        if (text_ != nullptr) {
            text_->append(part.data(), part.size());
        } else if (slot_.type != nullptr) {
            parts_.append(part.data(), part.size());
        }
        return true;
    }

    bool on_string(json::string_view last, std::size_t, error_code& ec) {
        if (!is_in_text_ && !begin_text(ec)) return false;
        is_in_text_ = false;
        if (slot_.type == nullptr) return true;
        if (text_ != nullptr) {
            text_->append(last.data(), last.size());
            if (options_.nul_allowed || text_->find('\0') == std::string::npos) return true;
            return fail("text must not hold U+0000", ec);
        }
        const bool is_decoded = decode_text(joined(last));
        parts_.clear();
        return is_decoded || fail(fmt::format("expected {}", expectation(*slot_.type)), ec);
    }

    bool on_number_part(json::string_view part, error_code&) {
        parts_.append(part.data(), part.size());
        return true;
    }
    bool on_int64(std::int64_t value, json::string_view last, error_code& ec) {
        return number(last, ec, [&](Slot slot) { return store_integer(slot, value); });
    }
    bool on_uint64(std::uint64_t value, json::string_view last, error_code& ec) {
        return number(last, ec, [&](Slot slot) {
            if (slot.type->is_signed || slot.type->size < sizeof value) return false;
            std::memcpy(slot.object, &value, sizeof value);
            return true;
        });
    }
    bool on_double(double, json::string_view last, error_code& ec) {
        return number(last, ec, [](Slot) { return false; });
    }

    bool on_bool(bool value, error_code& ec) {
        if (!open(ec)) return false;
        if (slot_.type == nullptr) return true;
        if (slot_.type->kind != TypeKind::boolean) return mismatch("true or false", ec);
        *static_cast<bool*>(slot_.object) = value;
        return true;
    }

    bool on_null(error_code& ec) {
        if (!place(ec)) return false;
        if (slot_.type == nullptr) return true;
        if (slot_.type->kind != TypeKind::optional) return mismatch("null", ec);
        slot_.type->reset(slot_.object);
        return true;
    }

    bool on_comment_part(json::string_view, error_code&) { return true; }
    bool on_comment(json::string_view, error_code&) { return true; }

private:
    // Sets slot_ to where the value that begins now belongs.
    bool place(error_code& ec) {
        slot_ = {};
        if (skipped_depth_ > 0) return true;
        if (frames_.empty()) {
            slot_ = root_;
            return true;
        }
        Frame& frame = frames_.back();
        const TypeInfo& type = *frame.slot.type;
        if (type.kind == TypeKind::list) {
            ++frame.next;
            if (++items_ > options_.items_max) {
                return fail(fmt::format("more than {} list items in all", options_.items_max), ec);
            }
            slot_ = {&type.element(), type.emplace(frame.slot.object)};
        } else if (frame.field != nullptr) {
            slot_ = {&frame.field->type(), frame.field->address(frame.slot.object)};
        }
        return true;
    }

    // The same for a value that is not null: into the optional.
    bool open(error_code& ec) {
        if (!place(ec)) return false;
        while (slot_.type != nullptr && slot_.type->kind == TypeKind::optional) {
            slot_ = {&slot_.type->element(), slot_.type->emplace(slot_.object)};
        }
        return true;
    }

    bool begin(TypeKind kind, std::string_view name, error_code& ec) {
        if (!open(ec)) return false;
        if (slot_.type == nullptr) {
            ++skipped_depth_;
            return true;
        }
        if (slot_.type->kind != kind) return mismatch(name, ec);
        frames_.push_back({.slot = slot_, .seen = seen_.size()});
        if (kind == TypeKind::list) {
            slot_.type->clear(slot_.object);
        } else {
            seen_.resize(seen_.size() + slot_.type->fields.size());
        }
        return true;
    }

    bool begin_text(error_code& ec) {
        if (!open(ec)) return false;
        is_in_text_ = true;
        text_ = nullptr;
        if (slot_.type == nullptr) return true;
        switch (slot_.type->kind) {
            case TypeKind::bytes:
            case TypeKind::timestamp: return true;
            case TypeKind::text:
                text_ = static_cast<std::string*>(slot_.object);
                text_->clear();
                return true;
            default: return mismatch("text", ec);
        }
    }

    bool decode_text(std::string_view text) {
        if (slot_.type->kind == TypeKind::timestamp) {
            const auto time = timestamp_from_rfc3339(text);
            if (time) *static_cast<Timestamp*>(slot_.object) = *time;
            return time.has_value();
        }
        auto bytes = from_base64(text);
        if (bytes) *static_cast<std::vector<std::byte>*>(slot_.object) = std::move(*bytes);
        return bytes.has_value();
    }

    // `store` puts an integer into a slot for one; a real is read from the digits, because the
    // parser's own conversion is not always the nearest double.
    template <class Store>
    bool number(json::string_view last, error_code& ec, Store store) {
        const std::string_view digits = joined(last);
        const bool is_read = open(ec) && (slot_.type == nullptr || store_number(digits, ec, store));
        parts_.clear();
        return is_read;
    }

    template <class Store>
    bool store_number(std::string_view digits, error_code& ec, Store store) {
        if (slot_.type->kind == TypeKind::integer) {
            if (store(slot_)) return true;
            return fail(
                fmt::format("expected {}, got {}", integer_range(*slot_.type), quoted_part(digits)),
                ec);
        }
        if (slot_.type->kind != TypeKind::real) return mismatch("a number", ec);
        const bool is_stored = slot_.type->size == sizeof(float) ? store_real<float>(digits)
                                                                 : store_real<double>(digits);
        if (is_stored) return true;
        return fail(fmt::format("{} is too large or too small a number", quoted_part(digits)), ec);
    }

    static bool store_integer(Slot slot, std::int64_t value) noexcept {
        return set_integer(*slot.type, slot.object, value);
    }

    template <class Real>
    bool store_real(std::string_view digits) noexcept {
        Real value = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (read.ec != std::errc() || !std::isfinite(value)) return false;
        set_real(*slot_.type, slot_.object, static_cast<double>(value));
        return true;
    }

    // Members mostly come in the order in which they were described: the look-up starts there.
    bool select_field(std::string_view name, error_code& ec) {
        Frame& frame = frames_.back();
        const auto fields = frame.slot.type->fields;
        frame.field = nullptr;
        for (std::size_t tried = 0; tried < fields.size(); ++tried) {
            const std::size_t i = (frame.next + tried) % fields.size();
            if (fields[i].name != name) continue;
            frame.field = &fields[i];
            frame.next = i + 1;
            if (seen_[frame.seen + i]) return fail("the field appears twice", ec);
            seen_[frame.seen + i] = true;
            return true;
        }
        if (options_.unknown_fields_allowed) return true;
        std::string where = path();
        if (!where.empty()) where += '.';
        return fail(where + quoted_part(name), "unknown field", ec);
    }

    std::string_view joined(json::string_view last) {
        if (parts_.empty()) return {last.data(), last.size()};
        parts_.append(last.data(), last.size());
        return parts_;
    }

    bool mismatch(std::string_view got, error_code& ec) {
        return fail(fmt::format("expected {}, got {}", expectation(*slot_.type), got), ec);
    }

    bool fail(std::string_view what, error_code& ec) { return fail(path(), what, ec); }

    bool fail(std::string where, std::string_view what, error_code& ec) {
        auto message = where.empty() ? std::string(what) : fmt::format("{}: {}", where, what);
        error_ = Error(Errc::invalid_argument, std::move(message)).with_field(std::move(where));
        ec = json::error::exception;
        return false;
    }

    // "items[2].name"
    std::string path() const {
        std::string where;
        for (const Frame& frame : frames_) {
            if (frame.slot.type->kind == TypeKind::list) {
                where += fmt::format("[{}]", frame.next - 1);
            } else if (frame.field != nullptr) {
                if (!where.empty()) where += '.';
                where += frame.field->name;
            }
        }
        return where;
    }

    const Slot root_;
    const JsonReadOptions& options_;
    std::pmr::vector<Frame> frames_;
    std::pmr::vector<unsigned char> seen_;  // of each record in frames_, which members came
    std::pmr::string parts_;                // of a name, number or encoded text that came in pieces
    Slot slot_;
    std::string* text_ = nullptr;
    bool is_in_text_ = false;
    std::size_t skipped_depth_ = 0;
    std::size_t items_ = 0;
    std::optional<Error> error_;
};

// Why the text is not JSON. basic_parser stops at `at`, at or shortly after the fault.
std::string syntax_fault(std::string_view text, std::size_t at, const error_code& ec,
                         const JsonReadOptions& options) {
    if (ec == json::error::too_deep) {
        return fmt::format("nested deeper than {} levels at byte {}", options.depth_max, at);
    }
    const std::size_t valid = internal::utf8_valid_bytes(text);
    if (valid < text.size()) return fmt::format("not JSON: invalid UTF-8 at byte {}", valid);
    return fmt::format("not JSON: {} at byte {}", ec.message(), at);
}

}  // namespace

Result<void> read_json(std::string_view text, const TypeInfo& type, void* object,
                       const JsonReadOptions& options) {
    LOADSTONE_ASSERT(options.depth_max >= 1 && options.depth_max <= depth_limit,
                     "depth_max is 1 to 1000");
    std::byte buffer[1024];
    std::pmr::monotonic_buffer_resource memory(buffer, sizeof buffer);
    json::parse_options strict;
    strict.max_depth = static_cast<std::size_t>(options.depth_max);
    json::basic_parser<Filler> parser(strict, Slot{&type, object}, options, memory);
    error_code ec;
    const std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
    if (!ec && read < text.size()) ec = json::error::extra_data;
    if (!ec) return {};
    if (parser.handler().error()) return tl::unexpected<Error>(*parser.handler().error());
    return failure(Errc::invalid_argument, syntax_fault(text, read, ec, options));
}

}  // namespace loadstone
