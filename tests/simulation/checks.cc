// The history checker: what must hold after each commit, and at the end of a story.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "tests/simulation/kinds.h"
#include "tests/simulation/world.h"

namespace tests::simulation {

namespace {

constexpr int watch_every = 4;  // commits

// How many places of each limit the jobs hold that run, or that keep them between two runs.
constexpr const char* places_held = R"(
    with holder (extra) as (
        select json_extract(j.value, '$.extra') from loadstone_batches b, json_each(b.jobs) j
        where not exists (select 1 from loadstone_done d
                          where d.batch = b.id and d.job = json_extract(j.value, '$.id') and d.is_settled = 1)
        union all select extra from loadstone_ready union all select extra from loadstone_scheduled)
    select name, count(*) from (
        select h.value as name from holder, json_each(json_extract(extra, '$.holds')) h where extra <> ''
        union all select k.value from holder, json_each(json_extract(extra, '$.keeps')) k where extra <> '')
    group by name)";

constexpr const char* places_lent =
    "select name, sum(places) from loadstone_limit_loans group by name";

constexpr const char* unique_twice = R"(
    with live (kind, extra) as (
        select json_extract(j.value, '$.kind'), json_extract(j.value, '$.extra') from loadstone_batches b, json_each(b.jobs) j
        where not exists (select 1 from loadstone_done d
                          where d.batch = b.id and d.job = json_extract(j.value, '$.id'))
        union all select kind, extra from loadstone_ready union all select kind, extra from loadstone_scheduled)
    select json_extract(extra, '$.unique') as name, count(*) from live
    where extra <> '' and name <> '' and kind = 'sim.Unique' group by name having count(*) > 1)";

constexpr const char* enqueued_since =
    "select seq, kind, json_extract(arguments, '$.lane') from loadstone_ready "
    "where seq > ?1 and job is null order by seq";

constexpr std::int64_t minute_us = 60'000'000;

// How often a schedule fires that was last fired at `last`. One that skips is a minute late at
// most.
std::int64_t firings_of(const std::string& schedule, std::int64_t last, std::int64_t now) {
    if (schedule == "sim.skip") last = std::max(last, now - minute_us - 1);
    const std::int64_t all = now / minute_us - last / minute_us;
    return schedule == "sim.once" ? std::min<std::int64_t>(all, 1) : all;
}

}  // namespace

// After each commit.
void World::watch() {
    for (const Row& row :
         rows("select b.id, b.claimed_at, json_extract(j.value, '$.id'), json_extract(j.value, "
              "'$.kind'), json_extract(j.value, '$.partition_key') "
              "from loadstone_batches b, json_each(b.jobs) j where b.id > ?1 order by b.id",
              last_batch_)) {
        last_batch_ = std::stoll(row[0]);
        claims_.push_back({std::stoll(row[2]), std::stoll(row[1]), row[3], row[4]});
    }
    check_firings();
    if (++commits_ % watch_every != 0) return;
    std::map<std::string, std::int64_t> held;
    for (const Row& row : rows(places_held)) held[row[0]] = std::stoll(row[1]);
    for (const Row& row : rows(places_lent)) held[row[0]] += std::stoll(row[1]);
    std::map<std::string, std::int64_t> counted;
    for (const Row& row :
         rows("select name, running from loadstone_limit_states where running <> 0"))
        counted[row[0]] = std::stoll(row[1]);
    if (held != counted) {
        std::string all;
        for (const auto& [name, count] : held) all += fmt::format(" held {}: {}", name, count);
        for (const auto& [name, count] : counted)
            all += fmt::format(" counted {}: {}", name, count);
        fail("what jobs hold of limits and processes are lent is not what is counted:" + all);
    }
    for (const auto& [name, count] : held) {
        const int most = name.starts_with("limited:")   ? sim::limited_at_once
                         : name.starts_with("crowded:") ? sim::crowded_at_once
                                                        : 1;
        if (count > most) fail(fmt::format("{} places of {} are taken", count, name));
    }
    check_running();
    check_keys();
    for (const Row& row : rows(unique_twice))
        fail(fmt::format("{} live jobs have the unique key {}", row[1], row[0]));
}

std::string World::check() {
    check_end();
    return std::exchange(failure_, "");
}

void World::check_end() {
    commits_ = watch_every - 1;
    watch();
    check_jobs();
    check_order();
    check_batches();
    check_steps();
    if (!clock_jumps_) {
        check_throttle("sim.Throttled", sim::throttled_burst, sim::throttled_per_second);
        check_throttle("sim.Brisk", sim::brisk_burst, sim::brisk_per_second);
    }
    const std::array<std::pair<const char*, const char*>, 7> kept{
        {{"unique keys", "loadstone_unique where until = 0"},
         {"followers", "loadstone_follows"},
         {"results", "loadstone_results"},
         {"steps", "loadstone_steps"},
         {"progress", "loadstone_progress"},
         {"places of limits",
          "loadstone_limit_states as s where running <> (select coalesce(sum(places), 0) from "
          "loadstone_limit_loans as l where l.name = s.name)"},
         {"marks", "loadstone_done"}}};
    for (const auto& [what, where] : kept) {
        const std::string sql = fmt::format("select count(*) from {}", where);
        const std::int64_t left = number(sql.c_str());
        if (left != 0) fail(fmt::format("{} {} are left of jobs that have ended", left, what));
    }
}

// Each committed job has ended once: with its effect, or as a dead letter, or dropped where its
// kind may be. Nothing else has run.
void World::check_jobs() {
    const auto ended = rows(
        "select e.job, e.kind, (select count(*) from sim_effects f where f.job = e.job), "
        "(select count(*) from loadstone_dead_jobs d where d.id = e.job), "
        "(select count(*) from sim_cancelled c where c.job = e.job) "
        "from sim_expected e");
    std::set<std::int64_t> expected;
    for (const Row& row : ended) {
        const std::int64_t job = std::stoll(row[0]);
        expected.insert(job);
        const auto effects = std::stoll(row[2]);
        const auto dead = std::stoll(row[3]);
        const bool may_be_dropped = row[1] == "sim.Fleeting" || row[4] != "0";
        if (effects + dead > 1 || (effects + dead == 0 && !may_be_dropped))
            fail(fmt::format("job {} of {} has {} effects and is {} dead letters", job, row[1],
                             effects, dead));
    }
    for (const Claim& claim : claims_) {
        if (!expected.contains(claim.job))
            fail(fmt::format("job {} of {} ran and was never committed", claim.job, claim.kind));
    }
    const std::int64_t strange =
        number("select count(*) from sim_effects where job not in (select job from sim_expected)");
    if (strange > 0) fail(fmt::format("{} effects are of jobs that nobody has enqueued", strange));
}

void World::check_order() {
    std::map<std::string, std::int64_t> last;
    for (const Row& row :
         rows("select e.lane, e.job from sim_effects f join sim_expected e on e.job = f.job "
              "where e.kind = 'sim.Ordered' order by f.id")) {
        const std::int64_t job = std::stoll(row[1]);
        if (job < last[row[0]])
            fail(fmt::format("in lane {} job {} came after {}", row[0], job, last[row[0]]));
        last[row[0]] = job;
    }
}

// Whatever they hold: so many run of a key, and a suspect runs alone, in a process that runs
// nothing else. What runs where the process has been declared dead, or its batch rescued, has lost
// its place and is being stopped.
void World::check_running() {
    std::map<std::pair<std::int64_t, std::int64_t>, bool> is_suspect;  // by process and batch
    for (const Row& row : rows("select b.process, b.id, instr(b.jobs, '|loadstone.suspect:') > 0 "
                               "from loadstone_batches b "
                               "join loadstone_processes p on p.id = b.process"))
        is_suspect[{std::stoll(row[0]), std::stoll(row[1])}] = row[2] == "1";
    std::map<std::string, int> running;
    std::map<std::int64_t, int> of_process;
    std::set<std::int64_t> with_suspects;
    for (const sim::Run& run : sim::runs_now()) {
        const auto batch = is_suspect.find({run.lease.process, run.lease.batch});
        if (batch == is_suspect.end()) continue;
        if (!run.crowd.empty()) ++running[run.crowd];
        ++of_process[run.lease.process];
        (batch->second ? with_suspects : ran_others_).insert(run.lease.process);
    }
    suspects_seen_ += static_cast<int>(with_suspects.size());
    for (const std::int64_t process : with_suspects) {
        if (of_process[process] > 1)
            fail(fmt::format("{} jobs run beside a suspect in process {}", of_process[process] - 1,
                             process));
        if (ran_others_.contains(process))
            fail(fmt::format("a suspect runs in process {}, which is no sandbox", process));
    }
    for (const auto& [lane, count] : running) {
        if (count > sim::crowded_at_once)
            fail(fmt::format("{} crowded jobs run of lane {}", count, lane));
    }
}

void World::check_throttle(const std::string& kind, int burst, double per_second) {
    std::map<std::string, std::vector<std::int64_t>> starts;
    for (const Claim& claim : claims_) {
        if (claim.kind == kind) starts[claim.partition_key].push_back(claim.at_us);
    }
    for (const auto& [key, times] : starts) {
        for (std::size_t i = 0; i < times.size(); ++i) {
            for (std::size_t j = i; j < times.size(); ++j) {
                const double seconds = static_cast<double>(times[j] - times[i]) / 1e6;
                const auto count = static_cast<double>(j - i + 1);
                // The database's clock is whole milliseconds here.
                if (count > burst + per_second * (seconds + 0.002))
                    fail(fmt::format("{} starts of {} within {} s", count, key, seconds));
            }
        }
    }
}

// A callback comes after all parts of its batch.
void World::check_batches() {
    for (const Row& row :
         rows("select c.job from sim_expected c join sim_effects fc on fc.job = c.job "
              "join sim_expected p on p.parent = c.job and p.job <> c.job "
              "join sim_effects fp on fp.job = p.job "
              "where c.kind = 'sim.Callback' and fp.id > fc.id")) {
        fail(fmt::format("the callback {} came before a part of its batch", row[0]));
    }
    for (const Row& row :
         rows("select f.job, f.parent from sim_expected f join sim_effects ff on ff.job = f.job "
              "join sim_effects fp on fp.job = f.parent "
              "where f.kind = 'sim.Follower' and fp.id > ff.id")) {
        fail(fmt::format("job {} came before {}, after which it was enqueued", row[0], row[1]));
    }
    // What a part gave is what its callback reads, and what has failed gave nothing.
    for (const Row& row :
         rows("select r.job, r.part, r.value from sim_results r where not exists (select 1 from "
              "sim_expected p join sim_effects fp on fp.job = p.job where p.parent = r.job and "
              "p.kind = 'sim.Part' and p.lane = cast(r.value as text))"))
        fail(fmt::format("the callback {} read {} of {}", row[0], row[2], row[1]));
}

// Each step of a job that is done was made once, in its order.
void World::check_steps() {
    for (const Row& row :
         rows("select e.job, (select group_concat(step, ' ') from (select step from sim_steps s "
              "where s.job = e.job order by s.rowid)) as made from sim_expected e join sim_effects "
              "f on f.job = e.job where e.kind = 'sim.Stepped' and made is not '1 2 3'"))
        fail(fmt::format("job {} has made its steps {}", row[0], row[1]));
}

// A key that is taken for a time is nobody else's before.
void World::check_keys() {
    for (const Row& row :
         rows("select unique_key, job, until from loadstone_unique where until > 0")) {
        auto& [job, until] = keys_[row[0]];
        const std::int64_t now_of = std::stoll(row[1]);
        // The database's clock is whole milliseconds here.
        if (job != 0 && job != now_of && !clock_jumps_ && server_.now_us() < until - 2'000)
            fail(fmt::format("key {} of job {} is taken by {} before its time", row[0], job,
                             row[1]));
        job = now_of;
        until = std::stoll(row[2]);
    }
}

// A transaction that moves a schedule on has enqueued what its policy says of the minutes between,
// and no other has enqueued a tick. So no minute fires twice, but for those behind a time to which
// the schedule has gone back because the clock has; and none is lost.
void World::check_firings() {
    std::map<std::string, std::int64_t> ticks;  // of this commit
    for (const Row& row : rows(enqueued_since, last_enqueued_)) {
        last_enqueued_ = std::stoll(row[0]);
        if (row[1] != "sim.Tick") continue;
        ++ticks["sim." + row[2]];
        ++ticks_seen_;
        rows("insert into sim_expected (job, kind, lane) values (?1, 'sim.Tick', '')",
             last_enqueued_);
    }
    const std::int64_t now = server_.now_us();
    for (const Row& row : rows("select name, fired_at from loadstone_schedules")) {
        const auto [known, is_new] = fired_at_.try_emplace(row[0], std::stoll(row[1]));
        const std::int64_t before = std::exchange(known->second, std::stoll(row[1]));
        const bool moves_on = !is_new && known->second > before;
        // By the transaction's own clock: it may have ended in the minute after.
        const std::int64_t fired_until = std::min(now, known->second + minute_us - 1);
        const std::int64_t due = moves_on ? firings_of(row[0], before, fired_until) : 0;
        if (ticks[row[0]] != due)
            fail(fmt::format("schedule {} has gone from {} to {} with {} ticks instead of {}",
                             row[0], before, known->second, ticks[row[0]], due));
        const bool is_of_now = known->second % minute_us == 0 && known->second <= now &&
                               now < known->second + 2 * minute_us;
        if (moves_on && !is_of_now)
            fail(fmt::format("schedule {} has fired at {} for {}", row[0], now, known->second));
    }
}

}  // namespace tests::simulation
