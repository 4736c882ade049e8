#include "loadstone/jobs/internal/lanes.h"

#include <algorithm>
#include <utility>

#include "loadstone/jobs/keys.h"

namespace loadstone::jobs::internal {

namespace {

std::string json_of(std::vector<std::string> kinds, const std::vector<std::string>& others) {
    kinds.insert(kinds.end(), others.begin(), others.end());
    return to_json(kinds);
}

}  // namespace

Lanes::Lanes(const std::vector<std::unique_ptr<Kind>>& kinds, bool has_one_writer)
    : has_one_writer_(has_one_writer) {
    std::map<std::string, std::string> modules;  // by queue
    for (const auto& kind : kinds) modules[kind->queue] = kind->module;
    for (const auto& [name, module] : modules) {
        QueueLanes of;
        of.name = name;
        for (const auto& kind : kinds) {
            if (kind->module == module)
                (kind->queue == name ? of.kinds : of.others).push_back(kind->name);
        }
        of.json = of.claimable_json = json_of(of.kinds, of.others);
        queues_.push_back(std::move(of));
    }
    for (const auto& kind : kinds) learn({kind->queue, "", kind->policy.priority, 1});
}

Lanes::QueueLanes* Lanes::queue(const std::string& name) noexcept {
    const auto found = std::ranges::find(queues_, name, &QueueLanes::name);
    return found == queues_.end() ? nullptr : &*found;
}

KeyedLanes& Lanes::QueueLanes::keyed_of(const std::string& partition) noexcept {
    return is_suspect(partition) ? suspects : keyed;
}

bool Lanes::is_closed(const QueueLanes& of) const {
    return of.claimable_json.empty() || paused_.contains(of.name);
}

void Lanes::learn(const LaneFound& found) {
    QueueLanes* const of = queue(found.queue);
    if (of == nullptr) return;
    if (found.partition_key.empty()) {
        of->plain.try_emplace(found.priority);
    } else {
        of->keyed_of(found.partition_key)
            .learn({found.priority, found.partition_key}, found.seq,
                   has_one_writer_ ? found.seq : seen_);
    }
}

void Lanes::set_paused(const std::vector<std::string>& queues) {
    paused_ = std::set<std::string>(queues.begin(), queues.end());
}

bool Lanes::set_held(const std::set<std::string>& kinds, Clock::time_point now) {
    if (kinds == held_) return false;
    held_ = kinds;
    for (QueueLanes& of : queues_) {
        std::vector<std::string> claimable;
        for (const std::string& name : of.kinds) {
            if (!held_.contains(name)) claimable.push_back(name);
        }
        of.claimable_json = claimable.empty() ? "" : json_of(claimable, of.others);
        // What is held is to be passed over before a claim reads it.
        for (auto& [priority, lane] : of.plain)
            lane.has_moved = lane.has_moved || claimable.size() < of.kinds.size();
    }
    woken(now);  // of what was held there may be some
    return true;
}

void Lanes::woken(Clock::time_point now) {
    for (QueueLanes& of : queues_) {
        for (auto& [priority, lane] : of.plain) lane.may_have = true;
        of.keyed.woken(now);
        of.suspects.woken(now);
    }
}

void Lanes::released(const std::set<std::string>& limits) {
    for (QueueLanes& of : queues_) {
        of.keyed.released(limits);
        of.suspects.released(limits);
    }
}

std::set<int, std::greater<>> Lanes::priorities(const QueueLanes& of) {
    std::set<int, std::greater<>> all;
    for (const auto& [priority, lane] : of.plain) {
        if (lane.may_have) all.insert(priority);
    }
    for (const int priority : of.keyed.priorities()) all.insert(priority);
    return all;
}

std::vector<LaneClaim> Lanes::wanted(
    const std::function<std::size_t(const std::string& queue)>& room, Clock::time_point now) {
    std::vector<LaneClaim> claims;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        QueueLanes& of = queues_[(turn_ + i) % queues_.size()];
        of.keyed.pass(now);
        if (is_closed(of) || priorities(of).empty()) continue;
        const std::size_t count = room(of.name);
        if (count > 0) add_claims(of, count, now, claims);
    }
    ++turn_;
    return claims;
}

// Where none of all kinds stands, none of some does.
Lanes::Cursor& Lanes::cursor_of(const QueueLanes& of, Lane& lane, const std::string& kinds_json) {
    if (kinds_json == of.json) return lane.all;
    auto found = lane.of_some.find(kinds_json);
    if (found == lane.of_some.end()) {
        if (lane.of_some.size() >= of_some_max) lane.of_some.clear();
        found = lane.of_some.emplace(kinds_json, lane.all).first;
    }
    Cursor& cursor = found->second;
    cursor.at = std::max(cursor.at, lane.all.at);
    cursor.sweep_from = std::max(cursor.sweep_from, lane.all.sweep_from);
    return cursor;
}

bool Lanes::has_suspects(Clock::time_point now) {
    return std::ranges::any_of(queues_, [&](QueueLanes& of) {
        of.suspects.pass(now);
        return !is_closed(of) && !of.suspects.priorities().empty();
    });
}

bool Lanes::knows_suspects() const {
    return std::ranges::any_of(queues_, [this](const QueueLanes& of) {
        return of.suspects.size() > 0 && !paused_.contains(of.name);
    });
}

void Lanes::forget_suspects() {
    for (QueueLanes& of : queues_) of.suspects = {};
}

std::vector<LaneClaim> Lanes::suspect_wanted(
    const std::function<std::size_t(const std::string& queue)>& room, Clock::time_point now) {
    std::vector<LaneClaim> claims;
    for (std::size_t i = 0; i < queues_.size() && claims.empty(); ++i) {
        QueueLanes& of = queues_[(turn_ + i) % queues_.size()];
        of.suspects.pass(now);
        const std::vector<int> priorities = of.suspects.priorities();
        if (is_closed(of) || priorities.empty() || room(of.name) == 0) continue;
        for (const KeyedLanes::Share& share :
             of.suspects.share(priorities.front(), 1, false, weights_)) {
            LaneClaim claim = claim_of(of, priorities.front(), 1);
            claim.partition_key = share.key.second;
            claim.cursor = share.cursor;
            claims.push_back(std::move(claim));
        }
    }
    if (!claims.empty()) ++turn_;
    return claims;
}

LaneClaim Lanes::claim_of(const QueueLanes& of, int priority, std::size_t count) {
    LaneClaim claim;
    claim.queue = of.name;
    claim.priority = priority;
    claim.kinds_json = of.claimable_json;
    claim.count = claim.queue_count = static_cast<std::int64_t>(count);
    return claim;
}

// All priorities as long as each is a single lane, which is asked for all there is room for. Where
// several lanes share a priority, those below it wait for the next claim: what the sharers leave
// is not known before.
void Lanes::add_claims(QueueLanes& of, std::size_t count, Clock::time_point now,
                       std::vector<LaneClaim>& out) {
    for (const int priority : priorities(of)) {
        const auto plain = of.plain.find(priority);
        const bool has_plain = plain != of.plain.end() && plain->second.may_have;
        const bool is_shared = of.keyed.is_runnable(priority);
        std::vector<KeyedLanes::Share> shares;
        if (is_shared) {
            shares =
                of.keyed.share(priority, static_cast<std::int64_t>(count), has_plain, weights_);
        } else {
            shares.push_back({{priority, ""}, 0, static_cast<std::int64_t>(count)});
        }
        for (const KeyedLanes::Share& share : shares) {
            LaneClaim claim = claim_of(of, priority, count);
            claim.partition_key = share.key.second;
            claim.cursor = share.cursor;
            claim.count = share.count;
            if (share.key.second.empty()) {
                const Cursor& cursor = cursor_of(of, plain->second, of.claimable_json);
                claim.is_sweep = now >= cursor.sweep_at;
                claim.cursor = claim.is_sweep ? cursor.sweep_from : cursor.at;
            }
            out.push_back(std::move(claim));
        }
        if (is_shared) return;
    }
}

void Lanes::claimed(const std::vector<LaneClaim>& wanted, const std::vector<LaneResult>& results,
                    Clock::time_point now) {
    for (std::size_t i = 0; i < wanted.size() && i < results.size(); ++i) {
        QueueLanes* const of = queue(wanted[i].queue);
        if (of == nullptr) continue;
        const LaneResult& result = results[i];
        KeyedLanes::Outcome outcome;
        outcome.asked = result.asked;
        outcome.got = result.got;
        outcome.last_seq = result.last_seq;
        outcome.is_full = result.is_full;
        outcome.retry_in_us = result.retry_in_us;
        outcome.is_closed = result.is_closed;
        outcome.is_all_kinds = wanted[i].kinds_json == of->json;
        const std::int64_t horizon = has_one_writer_ ? result.last_seq : horizon_;
        of->keyed_of(wanted[i].partition_key)
            .claimed({wanted[i].priority, wanted[i].partition_key}, outcome, horizon, weights_,
                     now);
        const auto plain = of->plain.find(wanted[i].priority);
        if (!wanted[i].partition_key.empty() || plain == of->plain.end()) continue;
        Lane& lane = plain->second;
        Cursor& cursor = cursor_of(*of, lane, wanted[i].kinds_json);
        if (has_one_writer_) {
            cursor.at = std::max(cursor.at, result.last_seq);
            // What it has read in vain.
            if (result.asked > 0 && result.got == 0) lane.has_moved = true;
        } else if (result.got > 0 || (wanted[i].is_sweep && result.asked > 0)) {
            // A sweep in vain may have read what is not for this program, which no poll after it
            // need.
            lane.has_moved = true;
        }
        if (result.got < result.asked) lane.may_have = false;
        if (wanted[i].is_sweep && result.asked > 0) {
            cursor.sweep_at = now + sweep_every;
            cursor.sweep_from = cursor.at;
        }
    }
}

bool Lanes::has_backlog(Clock::time_point now) {
    return std::ranges::any_of(queues_, [&](QueueLanes& of) {
        of.keyed.pass(now);
        return !is_closed(of) && !priorities(of).empty();
    });
}

std::optional<Lanes::Clock::time_point> Lanes::next_change() const {
    std::optional<Clock::time_point> first;
    for (const QueueLanes& of : queues_) {
        if (is_closed(of)) continue;
        for (const auto& next : {of.keyed.next_change(), of.suspects.next_change()}) {
            if (next && (!first || *next < *first)) first = next;
        }
    }
    return first;
}

std::int64_t Lanes::horizon(std::int64_t last, const Transactions& transactions) noexcept {
    if (last < pending_last_) {
        horizon_ = seen_ = pending_last_ = pending_next_ = 0;
        has_gone_back_ = true;
        for (QueueLanes& of : queues_) {
            for (auto& [priority, lane] : of.plain) {
                lane.all.at = lane.all.sweep_from = 0;
                lane.of_some.clear();
            }
            of.keyed.forget_cursors();
            of.suspects.forget_cursors();
        }
    }
    if (pending_next_ != 0 && transactions.oldest < pending_next_) return horizon_;
    if (pending_next_ != 0) horizon_ = pending_last_;
    pending_last_ = last;
    pending_next_ = transactions.next;
    return horizon_;
}

std::vector<Lanes::Place> Lanes::moved() {
    std::vector<Place> places;
    for (QueueLanes& of : queues_) {
        const std::string& kinds = of.claimable_json.empty() ? of.json : of.claimable_json;
        for (auto& [priority, lane] : of.plain) {
            if (std::exchange(lane.has_moved, false))
                places.push_back({of.name, priority, cursor_of(of, lane, kinds).at, kinds});
        }
    }
    return places;
}

void Lanes::advance(const Place& place, std::optional<std::int64_t> first, std::int64_t horizon) {
    QueueLanes* const of = queue(place.queue);
    if (of == nullptr) return;
    const auto found = of->plain.find(place.priority);
    if (found == of->plain.end()) return;
    Lane& lane = found->second;
    const std::int64_t empty_to = first ? std::min(*first - 1, horizon) : horizon;
    Cursor& cursor = cursor_of(*of, lane, place.kinds_json);
    cursor.at = std::max(cursor.at, empty_to);
    // A horizon that lags behind is followed when it moves.
    if (cursor.at < (first ? *first - 1 : pending_last_)) lane.has_moved = true;
}

std::size_t Lanes::keyed_lanes() const noexcept {
    std::size_t count = 0;
    for (const QueueLanes& of : queues_) count += of.keyed.size() + of.suspects.size();
    return count;
}

}  // namespace loadstone::jobs::internal
