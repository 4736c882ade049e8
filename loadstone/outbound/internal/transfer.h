#pragma once
// What the callers of both engines hold while a transfer of theirs is under way.

#include "loadstone/runtime/semaphore.h"

namespace loadstone::outbound::internal {

// A slot that was acquired, until it is destroyed.
class HeldSlot {
public:
    explicit HeldSlot(runtime::Semaphore& slots) noexcept : slots_(slots) {}
    ~HeldSlot() { slots_.release(); }
    HeldSlot(const HeldSlot&) = delete;
    HeldSlot& operator=(const HeldSlot&) = delete;

private:
    runtime::Semaphore& slots_;
};

// A caller that is destroyed while it waits leaves no transfer behind. Both must outlive it.
template <class Engine, class Transfer>
class AbandonUnfinished {
public:
    AbandonUnfinished(Engine& engine, Transfer& transfer) noexcept
        : engine_(engine), transfer_(transfer) {}
    ~AbandonUnfinished() {
        if (!transfer_.finished.is_set()) engine_.abandon(transfer_);
    }
    AbandonUnfinished(const AbandonUnfinished&) = delete;
    AbandonUnfinished& operator=(const AbandonUnfinished&) = delete;

private:
    Engine& engine_;
    Transfer& transfer_;
};

}  // namespace loadstone::outbound::internal
