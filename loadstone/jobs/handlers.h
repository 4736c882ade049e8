#pragma once
// Handlers: the job kinds of a module, each with its handler and policy in one place. A kind's
// name is its namespace and type: campus::accounts::SendWelcomeEmail is
// "accounts.SendWelcomeEmail".

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/jobs/job.h"
#include "loadstone/jobs/retry_policy.h"
#include "loadstone/runtime/task.h"
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
Task<void> run(Task<void> (*handler)(Context&, Job<T>), Context& context, const JobInfo& info) {
    T arguments = value_or_throw(from_json<T>(info.arguments, stored_json));
    Job<T> job(info, std::move(arguments));
    co_await handler(context, std::move(job));
}

}  // namespace internal

struct Kind {
    std::string name;
    std::string module;
    std::string queue;  // the module's
    Policy policy;
    std::function<Task<void>(Context&, const JobInfo&)> run;
    telemetry::LabelIndex label = 0;  // set by the queue
    std::string label_name;

    Kind& attempts(int max) {
        policy.attempts_max = max;
        return *this;
    }
    Kind& timeout(std::chrono::milliseconds limit) {
        policy.timeout = limit;
        return *this;
    }
    Kind& priority(int value) {
        policy.priority = value;
        return *this;
    }
    Kind& backoff(std::chrono::milliseconds min, std::chrono::milliseconds max) {
        policy.backoff_min = min;
        policy.backoff_max = max;
        return *this;
    }
};

class Handlers {
public:
    Handlers(std::string module, std::vector<std::unique_ptr<Kind>>& kinds)
        : module_(std::move(module)), kinds_(&kinds) {}

    template <class T>
    Kind& handle(Task<void> (*handler)(Context&, Job<T>)) {
        auto kind = std::make_unique<Kind>();
        kind->name = internal::kind<T>();
        kind->module = module_;
        kind->queue = module_;
        kind->run = [handler](Context& context, const JobInfo& info) {
            return internal::run(handler, context, info);
        };
        kinds_->push_back(std::move(kind));
        return *kinds_->back();
    }

private:
    std::string module_;
    std::vector<std::unique_ptr<Kind>>* kinds_;
};

}  // namespace loadstone::jobs

namespace loadstone {
using jobs::Handlers;
}
