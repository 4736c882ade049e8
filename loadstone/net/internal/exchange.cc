// What a request means: which route it is for, whether it may come in, what is answered.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "loadstone/base/log.h"
#include "loadstone/base/sha256.h"
#include "loadstone/net/body_stream.h"
#include "loadstone/net/internal/connection.h"
#include "loadstone/net/internal/entity_tag.h"
#include "loadstone/net/internal/http_error.h"
#include "loadstone/net/internal/reason.h"
#include "loadstone/net/internal/response_head.h"
#include "loadstone/net/internal/text.h"
#include "loadstone/net/position_token.h"
#include "loadstone/net/session_cookie.h"
#include "loadstone/runtime/certain_reads.h"

namespace loadstone::net::internal {

namespace {

// Above it, compressing would hold the loop too long.
constexpr std::size_t gzip_bytes_max = 2 * 1024 * 1024;
// The body of a request that is rejected by its head is read away up to this size, if it is here
// already; otherwise the connection ends.
constexpr std::size_t dropped_body_max = 64 * 1024;

std::int64_t whole_seconds(std::chrono::nanoseconds time) noexcept {
    return std::chrono::ceil<std::chrono::seconds>(time).count();
}

}  // namespace

std::string_view Connection::header(std::string_view name) const noexcept {
    const char* const head = reader_.head_bytes();
    for (const FieldExtent& extent : reader_.head().fields) {
        if (extent.name.size == name.size() && same_ignoring_case(extent.name.in(head), name)) {
            return extent.value.in(head);
        }
    }
    return {};
}

void Connection::begin_request() {
    // Nothing of the old request may be charged to the new one, which lives in the same place.
    runtime::settle_slice();
    context_.emplace(server_.services, Deadline::unbounded());
    slot_.enter(&context_->span());
    head_read_ = false;
    entry_ = nullptr;
    target_ = {};
    path_ = {};
    own_lines_.clear();
    request_id_size_ = 0;
}

void Connection::choose_request_id() {
    ++requests_;
    telemetry::Span& span = context_->span();
    span.label = server_.unmatched_label;
    span.name = server_.unmatched_name;
    span.started_tsc = telemetry::tsc();
    span.id = loop_.next_span_id();
    loop_.make_request_id(request_id_);
    request_id_size_ = 16;
}

bool Connection::admit() {
    choose_request_id();
    const std::string_view given = field(KnownField::request_id);
    if (is_request_id(given)) {
        std::copy(given.begin(), given.end(), request_id_.begin());
        request_id_size_ = given.size();
    }
    return admit_target() && admit_route() && admit_rate() && admit_origin();
}

bool Connection::admit_target() {
    const Head& head = reader_.head();
    if (HttpFailure failure =
            parse_target(head.target.in(reader_.head_bytes()), head.method, target_)) {
        refuse(failure);
        return false;
    }
    if (target_.is_absolute) {
        if (target_.is_https != is_tls()) {
            refuse({421, "the scheme of the request target is not that of the connection"});
            return false;
        }
        const std::string_view host = field(KnownField::host);
        if (!host.empty() && !is_same_authority(target_.authority, host, target_.is_https)) {
            refuse({400, "the Host field is not the host of the request target"});
            return false;
        }
    }
    if (target_.is_asterisk) {
        response_ = no_content();
        response_.set_header("Allow", allow_field(0x7f));
        return false;
    }
    if (HttpFailure failure = decode_path(target_.raw_path, path_storage_, path_)) {
        refuse(failure);
        return false;
    }
    return true;
}

bool Connection::admit_route() {
    const Head& head = reader_.head();
    server_.router.match(head.method, path_, match_);
    if (match_.route < 0) {
        if (match_.allowed == 0) {
            reject(404, fmt::format("nothing is at {}", path_.substr(0, 256)));
        } else if (head.method == Method::options) {
            response_ = no_content();
            response_.set_header("Allow", allow_field(match_.allowed));
        } else {
            const std::string allow = allow_field(match_.allowed);
            reject(405, fmt::format("{} is not allowed here; allowed: {}", to_string(head.method),
                                    allow));
            response_.set_header("Allow", allow);
        }
        return false;
    }
    entry_ = &server_.entries[static_cast<std::size_t>(match_.route)];
    const Route& route = *entry_->route;
    telemetry::Span& span = context_->span();
    span.label = entry_->label;
    span.name = entry_->name;
    slot_.enter(&span);  // tells the watchdog the name
    context_->set_module(route.module);
    context_->tighten(Deadline::in(route.deadline));
    if (reader_.begin_body(route.body_bytes_max) == RequestReader::Step::failed) {
        refuse(reader_.failure());
        return false;
    }
    return admit_body();
}

bool Connection::admit_body() {
    if (entry_->route->types.body != nullptr && !is_json(field(KnownField::content_type))) {
        reject(415, "the body must be of Content-Type application/json");
        return false;
    }
    // RFC 9110 8.4: what is done to a body is not to be ignored, and none is undone here.
    const std::string_view encoding =
        reader_.head().has_body() ? header("Content-Encoding") : std::string_view();
    if (!encoding.empty() && !same_ignoring_case(encoding, "identity")) {
        reject(415, "a body must have no Content-Encoding");
        response_.set_header("Accept-Encoding", "identity");  // RFC 9110 12.5.3
        return false;
    }
    return true;
}

bool Connection::admit_rate() {
    if (entry_->limiter == nullptr) return true;
    const auto decision = entry_->limiter->check(network_, std::chrono::steady_clock::now());
    // draft-ietf-httpapi-ratelimit-headers-09
    own_lines_ = entry_->rate_policy_line;
    own_lines_ += "RateLimit: \"address\";r=";
    append_number(own_lines_, decision.remaining);
    own_lines_ += ";t=";
    append_number(own_lines_, static_cast<std::size_t>(whole_seconds(decision.reset_after)));
    own_lines_ += "\r\n";
    if (decision.allowed) return true;
    server_.counters.rate_limited.add();
    const Error error =
        Error(Errc::resource_exhausted,
              fmt::format("more than {} requests in {} s from one address",
                          entry_->route->per_address_limit,
                          entry_->route->per_address_period.count()))
            .with_retry_after(std::chrono::ceil<std::chrono::milliseconds>(decision.retry_after));
    response_ = net::problem(error, id());
    return false;
}

bool Connection::admit_origin() {
    if (is_safe(reader_.head().method)) return true;
    const std::string_view host = target_.is_absolute ? target_.authority : field(KnownField::host);
    const bool is_refused =
        is_from_other_site(field(KnownField::sec_fetch_site)) ||
        (session_token(*this) && is_other_origin(field(KnownField::origin), host, is_tls()));
    if (!is_refused) return true;
    server_.counters.cross_site.add();
    reject(403, "the request was made by a page of another site");
    return false;
}

// What the session has seen so far, and how the route reads.
void Connection::begin_reading() {
    runtime::Reading& reading = context_->reading();
    const CarriedPosition carried = position_of(*this);
    if (carried.position) reading.begin_at(*carried.position);
    tells_position_ = carried.by_header;
    sets_position_ = carried.is_ahead;
    reading.is_heavy = entry_->route->heavy_reads;
    // A request that may write needs the primary in any case. There its session is read too, so
    // that it depends on no replica, and waits for none that is behind or kept busy by dashboards.
    if (!is_safe(reader_.head().method) && !reading.is_heavy) reading.freshness = runtime::latest;
    reading.stale_max = entry_->route->stale_max;
}

// What it has seen now.
void Connection::tell_reading() {
    const runtime::Reading& reading = context_->reading();
    if (tells_position_) append_position_line(own_lines_, reading.position());
    if (reading.has_moved() || sets_position_) {
        append_position_cookies(own_lines_, *this, reading.position(),
                                !is_safe(reader_.head().method));
    }
    if (reading.stale()) {
        const double seconds = std::chrono::duration<double>(*reading.stale()).count();
        response_.set_header("Loadstone-Stale", fmt::format("{:.1f}", seconds));
        // A cache would keep that mark beside a later 304 of the same body.
        std::erase_if(response_.headers, [](const auto& field) {
            return same_ignoring_case(field.first, "ETag") ||
                   same_ignoring_case(field.first, "Cache-Control");
        });
        response_.set_header("Cache-Control", "no-store");
    }
}

Task<void> Connection::resolve_session() {
    const auto token = session_token(*this);
    if (token && server_.sessions) {
        runtime::Reading& reading = context_->reading();
        const runtime::Position before = reading.position();
        const runtime::CertainReads certain(reading);
        const auto session = co_await server_.sessions(*context_, *token);
        context_->set_session(session);
        // Who asks is not what they are shown: no view need be newer for it. (A position stays: by
        // it the request's other reads find their replica.)
        if (before.is_moment() || reading.position().is_moment()) reading.replace(before);
    }
    if (entry_->route->session == SessionNeed::required && !context_->session()) {
        throw Error(Errc::unauthenticated, "nobody is signed in");
    }
}

void Connection::read_idempotency_key() {
    const Head& head = reader_.head();
    if (head.method != Method::post || !entry_->route->idempotency) return;
    if (!head.has(KnownField::idempotency_key)) return;
    const auto key = idempotency_key(field(KnownField::idempotency_key));
    if (!key) {
        throw HttpError(400, Errc::invalid_argument,
                        "the Idempotency-Key is not 1 to 255 visible characters");
    }
    // Without a user the network's, so that strangers do not take each other's keys.
    const std::string user = context_->session() ? fmt::format("user {}", context_->session()->user)
                                                 : fmt::format("anonymous {}", network_);
    runtime::IdempotencyKey& idempotency = context_->idempotency().emplace();
    idempotency.scope_and_key = sha256_hex({user, entry_->name, *key});
    // With the key, which is kept nowhere: a body may hold a password, and a plain hash of it would
    // let who has the database try passwords at the speed of SHA-256.
    idempotency.request_fingerprint =
        sha256_hex({*key, to_string(head.method), path_, target_.query, body()});
}

Task<void> Connection::answer() {
    std::exception_ptr exception;
    begin_reading();
    try {
        if (entry_->route->session != SessionNeed::none) co_await resolve_session();
        auto step = reader_.read_body();
        if (step == RequestReader::Step::need_more) step = co_await read_body();
        if (step != RequestReader::Step::done) {
            if (step == RequestReader::Step::failed) refuse(reader_.failure());
            co_return;
        }
        read_idempotency_key();
        std::optional<admission::Permit> permit;
        if (entry_->bulkhead != nullptr) permit = entry_->bulkhead->try_enter();
        if (entry_->bulkhead != nullptr && !permit) {
            permit.emplace(co_await entry_->bulkhead->enter(*context_));
        }
        const Matched matched{*this, match_.parameters, limits_.response_bytes_max};
        response_ = co_await entry_->route->handler(*context_, matched);
        if (response_.stream && entry_->route->heavy_reads) stream_permit_ = std::move(permit);
    } catch (...) {
        exception = std::current_exception();
    }
    if (exception) respond_to(exception);
    // Another limit than the address's has refused: what the address has left would mislead.
    if (response_.status == 429) own_lines_.clear();
    tell_reading();
}

namespace {

// What was not found, or is refused, where less was known than had been asked for may be there, or
// be allowed, by now.
Error error_by(const runtime::Reading& reading, Error error) {
    const int status = status_of(error.code());
    if (!reading.is_behind() || status < 400 || status >= 500) return error;
    return Error(Errc::unavailable, fmt::format("by what a replica had, {}", error.message()))
        .with_retry_after(std::chrono::seconds(1));
}

}  // namespace

void Connection::respond_to(const std::exception_ptr& exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const HttpError& error) {
        response_ = internal::problem_of(error.status(), error, error.errors(), id());
    } catch (const std::exception&) {
        const Error error = error_by(context_->reading(), error_from_exception(exception));
        const int status = status_of(error.code());
        if (status == 500) {
            log::error("a request failed", {{"route", context_->span().name},
                                            {"request_id", id()},
                                            {"code", to_string(error.code())},
                                            {"error", error.message()}});
        }
        if (status == 503 || status == 504)
            server_.refusals.note(context_->span().name, id(), error.message());
        response_ = net::problem(error, id());
    } catch (...) {
        log::error("a request failed", {{"route", context_->span().name},
                                        {"request_id", id()},
                                        {"error", "an exception that is no std::exception"}});
        response_ =
            net::problem(500, reason_of(500),
                         "the server failed; its log has the reason under request_id", id());
    }
}

void Connection::reject(int status, std::string_view detail) {
    response_ = net::problem(status, reason_of(status), detail, id());
}

void Connection::refuse(const HttpFailure& failure) {
    ServerCounters& counters = server_.counters;
    switch (failure.status) {
        case 408: break;  // counted by the timer
        case 413: counters.body_too_large.add(); break;
        case 414: counters.target_too_long.add(); break;
        case 431: counters.header_too_large.add(); break;
        default: counters.malformed.add(); break;
    }
    reject(failure.status, failure.detail);
    closes_ = lingers_ = true;
}

void Connection::refuse_body() {
    server_.counters.response_too_large.add();
    log::error("an answer is too large to be built in memory",
               {{"route", context_->span().name},
                {"request_id", id()},
                {"bytes", response_.body.size()},
                {"response_bytes_max", limits_.response_bytes_max}});
    std::string().swap(response_.body);
    reject(500, "the answer is larger than the server builds in memory");
}

// RFC 9110 13.1.2, 15.4.5.
void Connection::revalidate() {
    if (entry_ == nullptr || !entry_->route->revalidates || response_.status != 200) return;
    if (entry_->route->method != Method::get || response_.stream) return;
    if (context_->reading().stale()) return;  // tell_reading()
    if (field_in(response_, "ETag") == nullptr)
        response_.set_header("ETag", entity_tag_of(response_.body));
    std::string& own = *field_in(response_, "ETag");
    if (!own.starts_with("W/")) own.insert(0, "W/");  // the body may be compressed
    const std::string tag = own;
    if (field_in(response_, "Cache-Control") == nullptr)
        response_.set_header("Cache-Control", "private, no-cache");
    response_.set_header("Vary", "Cookie");
    if (!is_named_by(header("If-None-Match"), tag)) return;
    server_.counters.not_modified.add();
    response_.status = 304;
}

void Connection::prepare_response() {
    const Head& head = reader_.head();
    if (!is_sendable(response_)) {
        log::error("a handler's response has a header that cannot be sent",
                   {{"route", context_->span().name}, {"request_id", id()}});
        reject(500, "the server failed; its log has the reason under request_id");
    }
    if (response_.body.size() > limits_.response_bytes_max) refuse_body();
    revalidate();
    if (response_.status == 401) response_.set_header("WWW-Authenticate", "Session");
    if (response_.status >= 500) {
        server_.counters.server_errors.add();
    } else if (response_.status >= 400) {
        server_.counters.client_errors.add();
    }

    Envelope envelope;
    if (context_->idempotency() && context_->idempotency()->replayed) {
        response_.set_header("Idempotency-Replayed", "true");
    }
    std::string& body = response_.body;
    const bool is_head = head_read_ && head.method == Method::head;
    sends_body_ = has_content(response_.status) && !is_head;
    if (body.size() >= limits_.gzip_bytes_min && head_read_ &&
        is_compressible(response_.content_type)) {
        envelope.varies = true;
        std::string compressed;
        if (response_.status != 304 && body.size() <= gzip_bytes_max &&
            accepts_gzip(field(KnownField::accept_encoding)) && !has_encoding(response_) &&
            loop_.gzip.compress(body, compressed)) {
            body = std::move(compressed);
            envelope.is_gzipped = true;
        }
    }
    if (response_.status == 304) body.clear();

    // A body that was not wanted must be gone before the next request can be read.
    if (head_read_ && head.has_body() && !closes_) {
        const bool is_begun = reader_.is_body_begun() ||
                              reader_.begin_body(dropped_body_max) == RequestReader::Step::done;
        if (!is_begun || reader_.read_body() != RequestReader::Step::done)
            closes_ = lingers_ = true;
    }
    if (head_read_ && !head.keep_alive) closes_ = true;
    if (requests_ >= limits_.requests_per_connection_max) {
        server_.counters.requests_full.add();
        closes_ = true;
    }
    if (server_.draining.load(std::memory_order_relaxed)) closes_ = true;

    envelope.date_line = loop_.date_line();
    envelope.request_id = id();
    envelope.own_lines = own_lines_;
    envelope.body_bytes = response_.stream ? response_.stream->size() : body.size();
    if (response_.stream && response_.stream->size() == BodyStream::unknown) {
        envelope.has_size = false;
        envelope.is_chunked = is_chunked_ = head.version != 10;
        // RFC 9112 6.3: such a client finds its end by the connection's.
        if (!is_chunked_) closes_ = true;
    }
    envelope.closes = closes_;
    envelope.keeps_alive_1_0 = head_read_ && head.version == 10;
    envelope.is_tls = is_tls();
    head_.clear();
    append_head(head_, response_, envelope);
}

void Connection::record() {
    telemetry::Span& span = context_->span();
    if (head_read_) {
        span.bytes_in = reader_.bytes();
        if (!reader_.is_body_open()) reader_.finish();
    }
    span.bytes_out = head_.size() + rest_.size();
    if (sends_body_ && response_.stream && response_.stream->size() != BodyStream::unknown)
        span.bytes_out += response_.stream->size();
    span.failed = gone_ || response_.status >= 500;
    runtime::settle_slice();
    loop_.shard->record(span, runtime::Loops::cpu_share());
}

}  // namespace loadstone::net::internal
