#include "loadstone/runtime/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/runtime/internal/stack_switch.h"

namespace loadstone::runtime {

namespace {

// With a page below it that cannot be touched.
class Stack {
public:
    Stack() : guard_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
        memory_ = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
        if (memory_ == MAP_FAILED)
            throw Error(Errc::resource_exhausted, "no memory for the stack of a fiber");
        if (::mprotect(memory_, guard_, PROT_NONE) != 0) {
            ::munmap(memory_, bytes());
            throw Error(Errc::resource_exhausted, "no memory for the guard of a fiber's stack");
        }
    }
    ~Stack() { ::munmap(memory_, bytes()); }
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;

    void* bottom() const noexcept { return static_cast<char*>(memory_) + guard_; }

private:
    std::size_t bytes() const noexcept { return guard_ + Fiber::stack_bytes; }

    const std::size_t guard_;
    void* memory_ = nullptr;
};

}  // namespace

struct Fiber::Impl {
    Impl() {
        ::getcontext(&inside);
        inside.uc_stack.ss_sp = stack.bottom();
        inside.uc_stack.ss_size = stack_bytes;
        inside.uc_link = nullptr;
        // makecontext() passes ints.
        const auto self = reinterpret_cast<std::uintptr_t>(this);
        ::makecontext(&inside, reinterpret_cast<void (*)()>(&Impl::run), 2,
                      static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
    }

    static void run(unsigned high, unsigned low) {
        const auto self = (static_cast<std::uintptr_t>(high) << 32) | low;
        reinterpret_cast<Impl*>(self)->serve();
    }
    // One call after the other: the stack is left with the fiber.
    [[noreturn]] void serve() {
        switching.arrived_inside();
        for (;;) {
            try {
                (*call)();
            } catch (...) {
                failure = std::current_exception();
            }
            call.reset();
            go_out();
        }
    }
    void go_out() noexcept {
        switching.leave_inside();
        ::swapcontext(&inside, &outside);
        switching.arrived_inside();
    }
    bool go_in() {
        switching.leave_outside(stack.bottom(), stack_bytes);
        ::swapcontext(&outside, &inside);
        switching.arrived_outside();
        if (call) return false;
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
        return true;
    }

    Stack stack;
    ucontext_t inside{}, outside{};
    internal::StackSwitch switching;
    std::optional<FunctionRef<void()>> call;  // under way
    std::exception_ptr failure;
};

Fiber::Fiber() : impl_(std::make_unique<Impl>()) {}

Fiber::~Fiber() { LOADSTONE_ASSERT(!impl_->call, "a fiber's call has ended before it does"); }

bool Fiber::start(FunctionRef<void()> call) {
    LOADSTONE_ASSERT(!impl_->call, "a fiber runs one call at a time");
    impl_->call = call;
    return impl_->go_in();
}

bool Fiber::resume() {
    LOADSTONE_ASSERT(impl_->call.has_value(), "a call that has stopped goes on");
    return impl_->go_in();
}

void Fiber::stop() noexcept { impl_->go_out(); }

}  // namespace loadstone::runtime
