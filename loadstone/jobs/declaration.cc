#include "loadstone/jobs/declaration.h"

#include <limits>
#include <map>
#include <string_view>

#include "loadstone/base/json.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

namespace {

constexpr int depth_max = 8;  // a type may hold itself

std::int64_t micros(std::chrono::microseconds time) { return time.count(); }

void set_range(DeclaredMember& member, const TypeInfo& type) {
    const auto bits = static_cast<unsigned>(8 * type.size);
    if (type.is_signed) {
        const std::int64_t max = std::numeric_limits<std::int64_t>::max() >> (64 - bits);
        member.min = std::to_string(-max - 1);
        member.max = std::to_string(max);
    } else {
        member.min = "0";
        member.max = std::to_string(std::numeric_limits<std::uint64_t>::max() >> (64 - bits));
    }
}

std::string_view type_text(const TypeInfo& type, int depth) {
    if (depth > depth_max) return "any";
    switch (type.kind) {
        case TypeKind::boolean: return "boolean";
        case TypeKind::integer: return "integer";
        case TypeKind::real: return type.size == sizeof(float) ? "real32" : "real";
        case TypeKind::text: return "text";
        case TypeKind::bytes: return "bytes";
        case TypeKind::timestamp: return "timestamp";
        case TypeKind::list: return "list";
        case TypeKind::record: return "record";
        case TypeKind::optional: break;
    }
    return "any";  // an optional of an optional
}

// `object` has the defaults; it is changed to see what its optionals and lists would hold.
DeclaredMember member_of(std::string_view name, const TypeInfo& declared, void* object, int depth) {
    DeclaredMember member;
    member.name = name;
    write_json(member.missing, declared, object);
    const TypeInfo* type = &declared;
    if (type->kind == TypeKind::optional) {
        member.is_optional = true;
        object = type->emplace(object);
        type = &type->element();
    }
    member.type = type_text(*type, depth);
    if (member.type == "integer") set_range(member, *type);
    if (member.type == "list") {
        type->clear(object);
        void* element = type->emplace(object);
        member.members.push_back(member_of("", type->element(), element, depth + 1));
    }
    if (member.type == "record") {
        if (!member.is_optional) member.missing.clear();
        for (const FieldInfo& field : type->fields)
            member.members.push_back(
                member_of(field.name, field.type(), field.address(object), depth + 1));
    }
    return member;
}

std::string_view text_of(OverBound answer) {
    switch (answer) {
        case OverBound::reject: return "reject";
        case OverBound::delay: return "delay";
        case OverBound::merge: break;
    }
    return "merge";
}

Task<void> save(Tx& tx, std::vector<NamedDeclaration> some) {
    const std::string json = to_json(some);
    co_await tx.exec(sql::save_kinds, json);
    co_await tx.exec(sql::forget_kinds, micros(declaration_forgotten));
}

}  // namespace

KindDeclaration declaration_of(const Kind& kind) {
    KindDeclaration out;
    out.queue = kind.queue;
    out.priority = kind.policy.priority;
    out.version = kind.version;
    out.expires_after = micros(kind.policy.expires_after);
    out.tenant = kind.tenant.name;
    for (const KindLimit& each : kind.limits)
        out.limits.push_back({each.limit.name, each.field.name});
    out.is_unique = kind.is_unique;
    for (const internal::KeyField& field : kind.unique) out.unique.push_back(field.name);
    out.unique_for = micros(kind.unique_for);
    out.unique_while = kind.unique_while == UniqueWhile::waits ? "waits" : "waits_or_runs";
    out.bound = kind.bound;
    out.over_bound = text_of(kind.over_bound);
    out.over_bound_delay = micros(kind.over_bound_delay);
    const std::shared_ptr<void> defaults = kind.make();
    out.arguments = member_of("", *kind.arguments, defaults.get(), 0);
    return out;
}

std::vector<NamedDeclaration> to_declare(const std::vector<NamedDeclaration>& own,
                                         const std::vector<StoredDeclaration>& stored,
                                         bool is_start) {
    std::map<std::string_view, const StoredDeclaration*> known;
    for (const StoredDeclaration& each : stored) known.emplace(each.name, &each);
    std::vector<NamedDeclaration> out;
    for (const NamedDeclaration& each : own) {
        const auto found = known.find(each.name);
        if (found != known.end()) {
            const bool is_same = found->second->declaration == each.declaration;
            const auto patience = is_same ? declaration_confirmed : declaration_kept;
            const bool may_wait = is_same || !is_start;
            if (may_wait && found->second->age < micros(patience)) continue;
        }
        out.push_back(each);
    }
    return out;
}

Task<std::size_t> declare_kinds(Context& context, const Queue& queue, bool is_start) {
    std::vector<NamedDeclaration> own;
    for (const auto& kind : queue.kinds())
        own.push_back({kind->name, to_json(declaration_of(*kind))});
    const auto stored = co_await context.reader().many<StoredDeclaration>(sql::declared_kinds);
    const std::vector<NamedDeclaration> some = to_declare(own, stored, is_start);
    if (!some.empty()) co_await context.write(save, some);
    co_return some.size();
}

}  // namespace loadstone::jobs
