#pragma once
// BodyStream: a response's body that is not in memory. It is read piece by piece as the client
// takes it, so that a large file costs one piece of memory, and a slow client holds up nobody.
//
//     Response response;
//     response.content_type = "text/csv; charset=utf-8";
//     response.stream = net::file_body(path);

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"

namespace loadstone::net {

class BodyStream {
public:
    virtual ~BodyStream() = default;
    static constexpr std::uint64_t unknown = ~std::uint64_t{0};

    // Of all of it; the client is told beforehand. `unknown`: it is sent in chunks (RFC 9112 7.1),
    // to a client of HTTP/1.0 until the connection's end.
    virtual std::uint64_t size() const noexcept = 0;
    // The next bytes into `space`, one at least as long as there are some. What it throws is logged
    // and ends the connection: the client sees that bytes are missing. `context` is of this piece:
    // of the route's module, reads as the request did, and is done within the time that a client
    // has to take a piece.
    virtual Task<std::size_t> read(Context& context, std::span<char> space) = 0;
};

// A body that is made in pieces: CSV of the rows of a page, say. What has been made and not been
// taken is one piece, whatever the client does; between two pieces it holds nothing.
class PieceStream : public BodyStream {
public:
    std::uint64_t size() const noexcept final { return unknown; }
    Task<std::size_t> read(Context& context, std::span<char> space) final;

protected:
    // Appends the next piece to `text`, which is empty; one that stays empty is the end. What it
    // throws ends the connection, as in read().
    virtual Task<void> next_piece(Context& context, std::string& text) = 0;

private:
    std::string piece_;
    std::size_t taken_ = 0;  // of it
    bool has_ended_ = false;
};

// The file as it is now; it may be renamed or removed meanwhile, but not written. A piece that is
// not in the page cache is read on the CPU lane. Errors: not_found; unavailable.
std::shared_ptr<BodyStream> file_body(const std::string& path);

}  // namespace loadstone::net
