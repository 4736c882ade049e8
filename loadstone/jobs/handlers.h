#pragma once
// Handlers: the job kinds of a module, each with its handler and policy in one place. A kind's
// name is its namespace and type: campus::accounts::SendWelcomeEmail is
// "accounts.SendWelcomeEmail".
//
//     handlers.handle(deliver_mail)
//         .attempts(120).timeout(std::chrono::seconds(30))
//         .tenant(&DeliverMail::organisation)                     // fair shares between them
//         .limit({.name = "mail", .per_second = 10, .burst = 20}, &DeliverMail::domain)
//         .unique(&DeliverMail::message);
//
// Keys are members of the arguments: so they stand in the database, where other languages enqueue
// with the same rules, and an operator can see them.

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/json.h"
#include "loadstone/jobs/cron.h"
#include "loadstone/jobs/job.h"
#include "loadstone/jobs/limit.h"
#include "loadstone/jobs/retry_policy.h"
#include "loadstone/runtime/task.h"
#include "loadstone/telemetry/registry.h"
#include "loadstone/telemetry/span.h"

namespace loadstone::jobs {

namespace internal {

// "campus::accounts::SendWelcomeEmail" as "accounts.SendWelcomeEmail".
std::string kind_of(std::string_view qualified_type_name);

template <class T>
constexpr std::string_view qualified_name() {
    std::string_view text = __PRETTY_FUNCTION__;
    const auto start = text.find("T = ") + 4;
    return text.substr(start, text.find_first_of(";]", start) - start);
}

template <class T>
const std::string& kind() {
    static const std::string name = kind_of(qualified_name<T>());
    return name;
}

template <class T>
std::string key_text(const T& value) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
        return std::string(std::string_view(value));
    } else {
        return to_json(value);
    }
}

// As which its subscribers hear that a job of a kind is buried.
inline std::string buried_event(const std::string& kind) { return kind + ".buried"; }

// A member of a kind's arguments: its name and its value as text.
struct KeyField {
    std::string name;
    std::function<std::string(const void* arguments)> text;
};

template <class T, class Member>
KeyField key_field(Member T::* member) {
    KeyField field;
    boost::mp11::mp_for_each<loadstone::internal::DescribedMembers<T>>([&](auto descriptor) {
        if constexpr (std::is_same_v<std::remove_const_t<decltype(descriptor.pointer)>,
                                     Member T::*>) {
            if (descriptor.pointer == member) field.name = descriptor.name;
        }
    });
    field.text = [member](const void* arguments) {
        return key_text(static_cast<const T*>(arguments)->*member);
    };
    return field;
}

}  // namespace internal

// What an enqueue gets while its queue holds more ready jobs than the bound.
enum class OverBound {
    reject,  // Errc::resource_exhausted with a retry_after
    delay,   // it is taken, and begins later
    merge,   // of a unique kind, which is unique then alone: the id of the job that has its key
};

// For how long a job of a unique kind has its key.
enum class UniqueWhile {
    waits,          // until its first run begins: what is enqueued then makes a job of its own
    waits_or_runs,  // until it has ended
};

struct KindLimit {
    Limit limit;
    internal::KeyField field;
};

// What is counted of a kind in this process.
struct KindMeters {
    telemetry::Counter *retried = nullptr, *snoozed = nullptr, *buried = nullptr;
    telemetry::Counter* limited = nullptr;  // its queue's
    // From when a job could run to when it was claimed. Written under the runner's mutex.
    telemetry::Histogram* wait = nullptr;
};

struct Kind {
    std::string name;
    std::string module;
    std::string queue;  // the module's, if not said otherwise
    Policy policy;
    std::function<Task<void>(Context&, const JobInfo&)> run;
    // The arguments out of their JSON, for key fields.
    std::function<std::shared_ptr<const void>(const std::string& json)> parse;
    // What they are, and one with its defaults.
    const TypeInfo* arguments = nullptr;
    std::function<std::shared_ptr<void>()> make;

    internal::KeyField tenant;  // no name: none
    std::vector<KindLimit> limits;
    std::vector<internal::KeyField> unique;  // empty: not unique
    bool is_unique = false;
    UniqueWhile unique_while = UniqueWhile::waits_or_runs;
    std::chrono::milliseconds unique_for{0};  // 0: until the job has ended
    std::int64_t bound = 0;                   // ready jobs of the queue; 0: none
    OverBound over_bound = OverBound::reject;
    std::chrono::milliseconds over_bound_delay{60'000};
    int version = 1;
    std::function<std::string(int from, std::string json)> upcast;

    // Set by the queue.
    telemetry::LabelIndex label = 0;
    std::string label_name;
    KindMeters meters;
    std::size_t queue_number = 0;  // of its queue among those of the program
    bool is_keyed() const noexcept { return !tenant.name.empty() || !limits.empty(); }
};

// A schedule on which jobs of a kind are enqueued: once in all processes of a database.
struct Recurring {
    std::string name;  // the module's and its own: "reports.nightly"
    Schedule schedule;
    MissedFire missed = MissedFire::once;
    std::string kind;
    std::string arguments;  // JSON
};

// What of a kind is declared beside its handler. A cheap reference.
template <class T>
class Declared {
public:
    explicit Declared(Kind& kind) : kind_(&kind) {}

    // Failures after which it is a dead letter.
    Declared& attempts(int max) {
        kind_->policy.attempts_max = max;
        return *this;
    }
    // The deadline of one attempt's context.
    Declared& timeout(std::chrono::milliseconds limit) {
        kind_->policy.timeout = limit;
        return *this;
    }
    // Higher first.
    Declared& priority(int value) {
        kind_->policy.priority = value;
        return *this;
    }
    Declared& backoff(std::chrono::milliseconds min, std::chrono::milliseconds max) {
        kind_->policy.backoff_min = min;
        kind_->policy.backoff_max = max;
        return *this;
    }
    // How far a wait before a retry is off at random, as a part of it: 0..1; 0.25 if nothing is
    // said.
    Declared& jitter(double part) {
        LOADSTONE_ASSERT(part >= 0 && part <= 1, "a jitter is from 0 to 1");
        kind_->policy.jitter = part;
        return *this;
    }
    // Errors that no other try can mend: a job that fails with one is a dead letter at once. So
    // are invalid_argument, permission_denied and data_loss, if retry_on() does not name them.
    Declared& bury_on(std::initializer_list<Errc> codes) {
        for (const Errc code : codes) {
            LOADSTONE_ASSERT(code != Errc::cancelled, "a stopping process cancels what it runs");
            kind_->policy.buries.insert(code);
        }
        return *this;
    }
    // Errors that are worth another try, which else bury at once.
    Declared& retry_on(std::initializer_list<Errc> codes) {
        for (const Errc code : codes) kind_->policy.buries.erase(code);
        return *this;
    }
    // A queue beside the module's: paused and bounded for itself. To move: docs/guides/jobs.md.
    Declared& queue(std::string name) {
        kind_->queue = std::move(name);
        return *this;
    }
    // Not worth beginning so long after it was enqueued: it is dropped, and counted.
    Declared& expires_after(std::chrono::milliseconds age) {
        kind_->policy.expires_after = age;
        return *this;
    }
    // Bytes as JSON of what a run gives to the jobs after it. More is Errc::invalid_argument.
    Declared& result_bytes_max(std::size_t bytes) {
        kind_->policy.result_bytes_max = bytes;
        return *this;
    }
    // And of each step that it saves.
    Declared& step_bytes_max(std::size_t bytes) {
        kind_->policy.step_bytes_max = bytes;
        return *this;
    }
    // Of those whose jobs wait, each gets its share of the starts.
    template <class Member>
    Declared& tenant(Member T::* member) {
        kind_->tenant = internal::key_field(member);
        return *this;
    }
    // For each value of the member one limit; kinds that name the same limit share it.
    template <class Member>
    Declared& limit(Limit limit, Member T::* member) {
        kind_->limits.push_back({std::move(limit), internal::key_field(member)});
        return *this;
    }
    // Jobs of one value run one after the other, as they were enqueued; one that has failed holds
    // up those behind it until it has ended.
    template <class Member>
    Declared& in_order(Member T::* member) {
        Limit limit;
        limit.name = kind_->name;
        limit.running_max = 1;
        limit.is_in_order = true;
        return this->limit(std::move(limit), member);
    }
    // While a job of the same values waits or runs, an enqueue gives that one's id. No member: all
    // of them.
    template <class... Member>
    Declared& unique(Member T::*... members) {
        kind_->is_unique = true;
        (kind_->unique.push_back(internal::key_field(members)), ...);
        return *this;
    }
    // As unique, for a time from the enqueue on, whether the job has ended or not.
    template <class... Member>
    Declared& unique_for(std::chrono::milliseconds period, Member T::*... members) {
        kind_->unique_for = period;
        return unique(members...);
    }
    // UniqueWhile::waits: for what a run that has begun may no longer see. A transaction that has
    // got the id of a job that waits holds up its beginning, so that this sees what it wrote. A job
    // that has failed and waits again has no key.
    Declared& unique_while(UniqueWhile time) {
        kind_->unique_while = time;
        return *this;
    }
    // How many jobs may be ready in its queue, as counted once a second, before an enqueue of this
    // kind is rejected, delayed or merged. Merged: beyond the bound there is one more for each key.
    Declared& bound(std::int64_t ready_max, OverBound answer = OverBound::reject,
                    std::chrono::milliseconds delay = std::chrono::milliseconds(60'000)) {
        kind_->bound = ready_max;
        kind_->over_bound = answer;
        kind_->over_bound_delay = delay;
        return *this;
    }
    // Arguments that were enqueued under an older version are passed through `upcast` first, which
    // gets that version and the JSON. The first version is 1.
    Declared& version(int number, std::function<std::string(int, std::string)> upcast) {
        kind_->version = number;
        kind_->upcast = std::move(upcast);
        return *this;
    }

private:
    Kind* kind_;
};

namespace internal {

template <class T>
Task<void> run(Task<void> (*handler)(Context&, Job<T>), Context& context, const JobInfo& info) {
    T arguments = value_or_throw(from_json<T>(info.arguments, stored_json));
    Job<T> job(info, std::move(arguments));
    co_await handler(context, std::move(job));
}

template <class T>
std::shared_ptr<const void> parse(const std::string& json) {
    return std::make_shared<const T>(value_or_throw(from_json<T>(json, stored_json)));
}

}  // namespace internal

// What a module's jobs are.
struct Declarations {
    std::vector<std::unique_ptr<Kind>> kinds;
    std::vector<Recurring> recurring;
    struct Subscription {
        std::string event;  // "courses.CourseCompleted"
        std::string kind;   // of the jobs that an event becomes
    };
    std::vector<Subscription> subscriptions;
};

class Handlers {
public:
    Handlers(std::string module, Declarations& all) : module_(std::move(module)), all_(&all) {}

    template <class T>
    Declared<T> handle(Task<void> (*handler)(Context&, Job<T>)) {
        return Declared<T>(add(internal::kind<T>(), handler));
    }
    // An event that some module publishes (publish.h): each subscriber gets a job of its own,
    // committed with what the event tells of.
    template <class T>
    Declared<T> on(Task<void> (*handler)(Context&, Job<T>)) {
        const std::string kind = module_ + ".on:" + internal::kind<T>();
        all_->subscriptions.push_back({internal::kind<T>(), kind});
        return Declared<T>(add(kind, handler));
    }
    // A job of kind T has become a dead letter, for whatever reason, its processes' deaths
    // included: a job of this handler with the same arguments, committed with that. What is unique
    // or bounded of it does not count. One that is put back and buried again is told of again.
    template <class T>
    Declared<T> on_buried(Task<void> (*handler)(Context&, Job<T>)) {
        const std::string event = internal::buried_event(internal::kind<T>());
        const std::string kind = module_ + ".on:" + event;
        all_->subscriptions.push_back({event, kind});
        return Declared<T>(add(kind, handler));
    }
    // `expression` is a cron expression of five fields (cron.h); `zone` as in "Europe/Berlin".
    template <class T>
    void recurring(const std::string& name, const std::string& expression, const std::string& zone,
                   const T& arguments, MissedFire missed = MissedFire::once) {
        all_->recurring.push_back({module_ + "." + name,
                                   value_or_throw(Schedule::parse(expression, zone)), missed,
                                   internal::kind<T>(), to_json(arguments)});
    }

private:
    template <class T>
    Kind& add(const std::string& name, Task<void> (*handler)(Context&, Job<T>)) {
        auto kind = std::make_unique<Kind>();
        kind->name = name;
        kind->module = module_;
        kind->queue = module_;
        kind->run = [handler](Context& context, const JobInfo& info) {
            return internal::run(handler, context, info);
        };
        kind->parse = internal::parse<T>;
        kind->arguments = &type_info<T>();
        kind->make = [] { return std::make_shared<T>(); };
        all_->kinds.push_back(std::move(kind));
        return *all_->kinds.back();
    }

    std::string module_;
    Declarations* all_;
};

}  // namespace loadstone::jobs

namespace loadstone {
using jobs::Handlers;
}
