#pragma once
// Row: one result row as a backend presents it; valid only inside the sink that it is passed to.
// decode_row() fills a described struct: columns and members pair by position, their names must be
// equal (checked once per prepared statement and type).

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loadstone/base/describe.h"
#include "loadstone/base/function_ref.h"
#include "loadstone/store/internal/verified_types.h"

namespace loadstone::store {

class Row {
public:
    virtual int columns() const noexcept = 0;
    virtual std::string_view name(int column) const noexcept = 0;
    virtual bool is_null(int column) const noexcept = 0;
    // A value of another type: Error data_loss naming statement, column and both types.
    virtual bool boolean(int column) const = 0;
    virtual std::int64_t integer(int column) const = 0;
    virtual double real(int column) const = 0;
    virtual std::string_view text(int column) const = 0;
    virtual std::string_view bytes(int column) const = 0;
    // Of its values, as the database gave them; what is not text or bytes counts 8 at most.
    virtual std::size_t size_bytes() const noexcept = 0;
    virtual std::string_view statement() const noexcept = 0;
    // Of the prepared statement, for the check that is made once for each type.
    virtual internal::VerifiedTypes& verified() const noexcept = 0;

protected:
    ~Row() = default;
};

// Called for each row. An exception ends the statement and goes to the caller.
using RowSink = FunctionRef<void(const Row&)>;

void decode_row(const Row& row, const TypeInfo& type, void* object);

namespace internal {
template <class T>
constexpr bool is_scalar_row = !boost::describe::has_describe_members<T>::value;
void decode_scalar(const Row& row, const TypeInfo& type, void* object);  // column 0
}  // namespace internal

// T: a described struct, or a single-column type (integer, Id, text, bool, double, optional of
// one).
template <class T>
T decode(const Row& row) {
    T value{};
    if constexpr (internal::is_scalar_row<T>) {
        internal::decode_scalar(row, type_info<T>(), &value);
    } else {
        decode_row(row, type_info<T>(), &value);
    }
    return value;
}

}  // namespace loadstone::store
