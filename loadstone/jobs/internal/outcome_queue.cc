#include "loadstone/jobs/internal/outcome_queue.h"

#include <algorithm>
#include <set>

#include "loadstone/base/assert.h"

namespace loadstone::jobs::internal {

OutcomeQueue::BatchKey OutcomeQueue::key_of(const Finished& run) {
    return {run.lease.process, run.lease.batch};
}

void OutcomeQueue::claimed(std::int64_t process, std::int64_t batch, std::size_t jobs) {
    left_[{process, batch}] = jobs;
}

// One less is to come of its batch: is it the last?
bool OutcomeQueue::is_last(const Finished& run) {
    const auto batch = left_.find(key_of(run));
    LOADSTONE_ASSERT(batch != left_.end() && batch->second > 0, "a batch is held to its end");
    return --batch->second == 0;
}

void OutcomeQueue::add(Finished run) {
    run.ends_batch = is_last(run);
    finished_.push_back(std::move(run));
}

// Of those that wait; null: none is of it.
Finished* OutcomeQueue::last_of(const BatchKey& batch) {
    const auto last = std::find_if(finished_.rbegin(), finished_.rend(),
                                   [&](const Finished& run) { return key_of(run) == batch; });
    return last == finished_.rend() ? nullptr : &*last;
}

void OutcomeQueue::put_aside(Finished run, Group& group) {
    ++left_[key_of(run)];
    run.ends_batch = false;
    if (Finished* const last = last_of(key_of(run))) last->ends_batch = false;
    group.runs.push_back(std::move(run));
    ++aside_;
}

std::vector<Finished> OutcomeQueue::take_aside(std::size_t max, Clock::time_point now, bool all) {
    std::vector<Finished> runs;
    const auto found = std::ranges::find_if(groups_, [&](const auto& each) {
        return !each.second.runs.empty() && (all || each.second.at <= now);
    });
    if (found == groups_.end()) return runs;
    auto& waiting = found->second.runs;
    while (!waiting.empty() && runs.size() < max &&
           (runs.empty() || waiting.front().lease.process == runs.front().lease.process)) {
        Finished run = std::move(waiting.front());
        waiting.pop_front();
        --aside_;
        if (is_last(run)) {
            Finished* const last = last_of(key_of(run));
            (last != nullptr ? *last : run).ends_batch = true;
        }
        runs.push_back(std::move(run));
    }
    return runs;
}

std::vector<Finished> OutcomeQueue::take(std::size_t max, Clock::time_point now, bool all) {
    std::vector<Finished> runs;
    // By turns: what is put aside takes long.
    if (!took_aside_ || finished_.empty()) runs = take_aside(max, now, all);
    took_aside_ = !runs.empty();
    if (took_aside_) return runs;
    while (!finished_.empty() && runs.size() < max &&
           (runs.empty() || finished_.front().lease.process == runs.front().lease.process)) {
        Finished run = std::move(finished_.front());
        finished_.pop_front();
        const auto group = groups_.empty() ? groups_.end() : groups_.find(run.job->extra->next);
        if (group != groups_.end()) {
            put_aside(std::move(run), group->second);
        } else {
            runs.push_back(std::move(run));
        }
    }
    return runs;
}

void OutcomeQueue::recorded(const std::vector<Finished>& runs) {
    for (const Finished& run : runs) {
        if (run.ends_batch) left_.erase(key_of(run));
    }
    if (groups_.empty() || runs.empty()) return;
    const auto group = groups_.find(runs.front().job->extra->next);
    if (group != groups_.end() && group->second.runs.empty()) groups_.erase(group);
}

bool OutcomeQueue::failed(std::vector<Finished> runs, bool has_conflicted, Clock::time_point now) {
    bool are_aside = false;
    for (Finished& run : runs) {
        run.may_be_recorded = true;
        const std::vector<std::int64_t>& next = run.job->extra->next;
        if (next.empty() || !has_conflicted) continue;
        are_aside = true;
        const auto [group, is_new] = groups_.try_emplace(next);
        // Of the others it is not known whether they would have had to wait.
        if (is_new) group->second.at = now;
    }
    const auto tried = runs.empty() ? groups_.end() : groups_.find(runs.front().job->extra->next);
    if (took_aside_ && tried != groups_.end()) {
        Group& group = tried->second;
        group.at = now + group.pause;
        group.pause = std::min(2 * group.pause, try_again_max);
    }
    for (auto run = runs.rbegin(); run != runs.rend(); ++run) finished_.push_front(std::move(*run));
    return are_aside;
}

std::optional<OutcomeQueue::Clock::time_point> OutcomeQueue::next_try() const {
    std::optional<Clock::time_point> first;
    for (const auto& [next, group] : groups_) {
        if (!group.runs.empty() && (!first || group.at < *first)) first = group.at;
    }
    return first;
}

std::size_t OutcomeQueue::left_of_parted() const {
    std::set<BatchKey> parted;
    std::size_t left = 0;
    for (const Finished& run : finished_) {
        const auto batch = left_.find(key_of(run));
        if (batch != left_.end() && batch->second > 0 && parted.insert(batch->first).second)
            left += batch->second;
    }
    return left;
}

std::vector<std::int64_t> OutcomeQueue::batches_of(std::int64_t process) const {
    std::vector<std::int64_t> batches;
    for (const auto& [batch, jobs] : left_) {
        if (batch.first == process) batches.push_back(batch.second);
    }
    return batches;
}

}  // namespace loadstone::jobs::internal
