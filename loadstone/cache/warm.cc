// What a process keeps for the one that starts in its place (internal/warm_file.h).

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/base/random.h"
#include "loadstone/cache/cache.h"
#include "loadstone/cache/internal/entry.h"
#include "loadstone/cache/internal/warm_file.h"
#include "loadstone/cache/sql.h"
#include "loadstone/store/reader.h"
#include "loadstone/store/tx.h"

namespace loadstone::cache {

namespace {

using Clock = std::chrono::steady_clock;

// JSON in JSON: a byte takes six at most.
constexpr std::uint64_t escaped = 6;

Task<void> record_token(store::Tx& tx, const std::string& token) {
    co_await tx.exec(sql::record_change, token);
}

// A tag that nothing has.
std::string new_token() {
    Tag tag = everything;
    while (tag == everything) fill_secret(std::as_writable_bytes(std::span(&tag, 1)));
    return text_of({tag});
}

// Why what a file says is of no use here, as far as that can be told without the database; empty:
// perhaps it is.
std::string_view refusal(const internal::WarmAnswers& found, std::chrono::microseconds age_max) {
    if (found.program != internal::this_program()) return "another program computed them";
    if (found.boot != internal::this_boot()) return "the machine was started since";
    const std::int64_t age = internal::since_boot_us() - found.at_us;
    if (age < 0 || age > age_max.count()) return "they are too old";
    return {};
}

}  // namespace

// The token is committed before the snapshot. Where it is there the database is the same, and no
// older than the snapshot.
Task<void> Cache::save(Context& context, std::string path) {
    internal::WarmAnswers kept;
    kept.program = internal::this_program();
    kept.boot = internal::this_boot();
    kept.token = new_token();
    const store::TxBody body = [&](store::Tx& tx) { return record_token(tx, kept.token); };
    co_await reads_.transact(context, body);
    kept.at_us = internal::since_boot_us();
    co_await follower_.catch_up(context);
    const Follower::Now now = follower_.now();
    kept.history = now.history;
    kept.state = now.state;
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [hash, entry] : entries_) {
            if (!follower_.is_unchanged(entry->tags, entry->epoch)) continue;
            // Beside it is one that shows more than polls do.
            if (hash != internal::hash_of(entry->view, entry->key)) continue;
            const auto age = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() -
                                                                                   entry->made_at);
            kept.answers.push_back({entry->view, entry->key, *entry->json, text_of(entry->tags),
                                    runtime::to_text(entry->position), age.count()});
        }
    }
    internal::write_warm_file(path, kept);
    log::info("answers are kept for the next start", {{"answers", kept.answers.size()}});
}

Task<void> Cache::load(Context& context, std::string path) {
    try {
        const auto found = internal::take_warm_file(path, escaped * options_.bytes_max);
        if (!found) co_return;
        std::string_view why = refusal(*found, options_.follower.silent_max);
        std::optional<Follower::Changes> changes;
        if (why.empty()) {
            co_await follower_.catch_up(context);
            changes = co_await follower_.changes_since(context, found->history, found->state);
            Context own(context.services(), context.deadline());
            Reader reader(own, reads_.read_connection(), latest);
            const std::int64_t tokens = co_await sql::changes_with(reader, found->token);
            if (!changes || tokens != 1) why = "the database is another, or was changed throughout";
            // Once more: what had to be asked took its time.
            if (why.empty()) why = refusal(*found, options_.follower.silent_max);
        }
        if (!why.empty()) {
            log::info("kept answers are not used", {{"why", why}});
            co_return;
        }
        const std::size_t taken = take(*found, *changes);
        log::info("answers of before the start are used",
                  {{"answers", taken}, {"kept", found->answers.size()}});
    } catch (const Error& error) {
        log::warning("kept answers are not used", {{"error", error.message()}});
    }
}

std::size_t Cache::take(const internal::WarmAnswers& found, const Follower::Changes& changes) {
    std::size_t taken = 0;
    for (const internal::WarmAnswer& answer : found.answers) {
        auto entry = std::make_shared<Entry>();
        entry->tags = tags_from(answer.tags);
        const auto position = runtime::position_from(answer.position);
        if (!position || changes.touch(entry->tags)) continue;
        entry->view = answer.view;
        entry->key = answer.key;
        entry->etag = internal::etag_of(answer.json);
        entry->json = std::make_shared<const std::string>(answer.json);
        entry->epoch = changes.epoch;
        entry->position = follower_.seen_now(*position);
        entry->made_at = Clock::now() - std::chrono::microseconds(answer.age_us) -
                         std::chrono::microseconds(internal::since_boot_us() - found.at_us);
        entry->true_at = follower_.followed_at();
        const std::scoped_lock lock(mutex_);
        const std::uint64_t hash = internal::hash_of(entry->view, entry->key);
        if (entries_.contains(hash)) continue;  // computed since
        keep(hash, std::move(entry));
        ++taken;
    }
    return taken;
}

}  // namespace loadstone::cache
