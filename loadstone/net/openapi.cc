// OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0) of the routes: what the types say is the
// schema, what validate() says its limits.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <limits>
#include <map>
#include <set>

#include "loadstone/net/http_server.h"
#include "loadstone/net/internal/field_rules.h"
#include "loadstone/net/internal/reason.h"
#include "loadstone/net/internal/router.h"
#include "loadstone/net/session_cookie.h"

namespace loadstone::net {

namespace json = boost::json;

namespace {

json::string text_of(std::string_view text) {
    return json::string(json::string_view(text.data(), text.size()));
}

json::object reference_to(std::string_view section, std::string_view name) {
    return {{"$ref", fmt::format("#/components/{}/{}", section, name)}};
}

json::object integer_schema(const TypeInfo& type) {
    json::object schema{{"type", "integer"}};
    if (type.size == 8 || type.is_id) {
        if (type.is_signed) schema["format"] = "int64";
        if (type.is_id) schema["minimum"] = 1;
        if (!type.is_signed) schema["minimum"] = 0;
        return schema;
    }
    const auto bits = static_cast<int>(type.size * 8);
    schema["minimum"] = type.is_signed ? -(std::int64_t{1} << (bits - 1)) : 0;
    schema["maximum"] = (std::int64_t{1} << (type.is_signed ? bits - 1 : bits)) - 1;
    return schema;
}

void apply_rule(json::object& schema, const Check::Rule& rule) {
    if (rule.min) schema["minimum"] = *rule.min;
    if (rule.max) schema["maximum"] = *rule.max;
    if (rule.min_length) schema["minLength"] = *rule.min_length;
    if (rule.max_length) schema["maxLength"] = *rule.max_length;
    if (!rule.format.empty()) schema["format"] = rule.format;
}

// Schemas of records under components/schemas, each once.
class Schemas {
public:
    json::object of(const TypeInfo& type) {
        switch (type.kind) {
            case TypeKind::boolean: return {{"type", "boolean"}};
            case TypeKind::integer: return integer_schema(type);
            case TypeKind::real: return {{"type", "number"}};
            case TypeKind::text: return {{"type", "string"}};
            case TypeKind::bytes: return {{"type", "string"}, {"contentEncoding", "base64"}};
            case TypeKind::timestamp: return {{"type", "string"}, {"format", "date-time"}};
            case TypeKind::list: return {{"type", "array"}, {"items", of(type.element())}};
            case TypeKind::optional: return nullable(of(type.element()));
            case TypeKind::record: return reference_to("schemas", name_of(type));
        }
        return {};
    }

    // The rules of a type's validate(); members of members are not described by them.
    void add_rules(const TypeInfo& type, const std::vector<Check::Rule>& rules) {
        json::object& properties = written_[name_of(type)].as_object()["properties"].as_object();
        for (const Check::Rule& rule : rules) {
            json::value* const property = properties.if_contains(rule.field);
            if (property != nullptr) apply_rule(property->as_object(), rule);
        }
    }

    json::object take() && { return std::move(written_); }

private:
    static json::object nullable(json::object schema) {
        json::value* const type = schema.if_contains("type");
        if (type != nullptr && type->is_string()) {
            schema["type"] = json::array{*type, "null"};
            return schema;
        }
        json::object null{{"type", "null"}};
        return {{"anyOf", json::array{std::move(schema), std::move(null)}}};
    }

    // Two types of one name are told apart by a number.
    const std::string& name_of(const TypeInfo& type) {
        const auto found = names_.find(&type);
        if (found != names_.end()) return found->second;
        std::string name(type.name);
        for (int i = 2; taken_.contains(name); ++i) name = fmt::format("{}{}", type.name, i);
        taken_.insert(name);
        const std::string& kept = names_.emplace(&type, name).first->second;
        json::object properties;
        json::array required;
        for (const FieldInfo& field : type.fields) {
            properties[field.name] = of(field.type());
            if (field.type().kind != TypeKind::optional) required.push_back(text_of(field.name));
        }
        json::object schema{{"type", "object"}, {"properties", std::move(properties)}};
        if (!required.empty()) schema["required"] = std::move(required);
        written_[name] = std::move(schema);
        return kept;
    }

    std::map<const TypeInfo*, std::string> names_;
    std::set<std::string> taken_{"Problem"};
    json::object written_;
};

// Problem details (RFC 9457) as response.cc writes them.
json::object problem_schema() {
    const json::object text{{"type", "string"}};
    json::object item{{"type", "object"},
                      {"properties", json::object{{"field", text}, {"message", text}}},
                      {"required", json::array{"field", "message"}}};
    json::object properties{{"type", text},
                            {"title", text},
                            {"status", json::object{{"type", "integer"}}},
                            {"detail", text},
                            {"field", text},
                            {"errors", json::object{{"type", "array"}, {"items", std::move(item)}}},
                            {"request_id", text}};
    return {{"type", "object"},
            {"properties", std::move(properties)},
            {"required", json::array{"type", "title", "status", "request_id"}}};
}

json::object problem_response(int status) {
    json::object media{{"schema", reference_to("schemas", "Problem")}};
    return {{"description", text_of(internal::reason_of(status))},
            {"content", json::object{{"application/problem+json", std::move(media)}}}};
}

json::object parameter(std::string_view name, std::string_view where, bool is_required,
                       json::object schema) {
    return {{"name", text_of(name)},
            {"in", text_of(where)},
            {"required", is_required},
            {"schema", std::move(schema)}};
}

json::array parameters_of(const Route& route, Schemas& schemas) {
    json::array parameters;
    const auto names = internal::parameter_names(route.pattern);
    for (std::size_t i = 0; i < names.size(); ++i) {
        json::object schema{{"type", "string"}};
        if (i < route.types.path.size()) schema = schemas.of(*route.types.path[i]);
        parameters.push_back(parameter(names[i], "path", true, std::move(schema)));
    }
    if (route.types.parameters != nullptr) {
        for (const FieldInfo& field : route.types.parameters->fields) {
            const TypeInfo& type = field.type();
            json::object schema =
                schemas.of(type.kind == TypeKind::optional ? type.element() : type);
            for (const Check::Rule& rule : route.types.parameter_rules) {
                if (rule.field == field.name) apply_rule(schema, rule);
            }
            parameters.push_back(parameter(field.name, "query", false, std::move(schema)));
        }
    }
    if (route.method == Method::post && route.idempotency) {
        json::object schema{{"type", "string"}, {"minLength", 1}, {"maxLength", 257}};
        json::object key = parameter("Idempotency-Key", "header", false, std::move(schema));
        key["description"] =
            "The same key with the same request gives the same answer, and does its work once.";
        parameters.push_back(std::move(key));
    }
    return parameters;
}

json::object responses_of(const Route& route, Schemas& schemas) {
    json::object responses;
    json::object success{{"description", text_of(internal::reason_of(route.types.reply_status))}};
    if (route.types.reply != nullptr) {
        json::object media{{"schema", schemas.of(*route.types.reply)}};
        success["content"] = json::object{{"application/json", std::move(media)}};
    }
    // A handler that returns a Response says nothing of its status.
    const std::string status =
        route.types.reply == nullptr ? "2XX" : fmt::to_string(route.types.reply_status);
    if (route.types.reply == nullptr) success["description"] = "Success";
    responses[status] = std::move(success);
    if (route.revalidates)
        responses["304"] = json::object{{"description", text_of(internal::reason_of(304))}};
    std::vector<int> errors{400, 503};
    errors.insert(errors.end(), route.errors.begin(), route.errors.end());
    if (route.session == SessionNeed::required) errors.push_back(401);
    if (!internal::is_safe(route.method)) errors.push_back(403);  // made by a page of another site
    if (!internal::parameter_names(route.pattern).empty()) errors.push_back(404);
    if (route.types.body != nullptr) errors.insert(errors.end(), {413, 415});
    if (route.types.body != nullptr || route.types.parameters != nullptr) errors.push_back(422);
    if (route.method == Method::post && route.idempotency) errors.push_back(409);
    if (route.per_address_limit > 0) errors.push_back(429);
    std::sort(errors.begin(), errors.end());
    for (const int error : errors) responses[fmt::to_string(error)] = problem_response(error);
    return responses;
}

// "post_api_courses_course" of POST /api/courses/{course}: unique, because method and pattern are.
std::string operation_id(const Route& route) {
    std::string id;
    for (const char c : to_string(route.method)) id += static_cast<char>(c | 0x20);
    bool is_word = false;
    for (const char c : route.pattern) {
        const bool is_kept =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (is_kept && !is_word) id += '_';
        if (is_kept) id += c;
        is_word = is_kept;
    }
    return id;
}

json::object operation_of(const Route& route, Schemas& schemas, std::set<std::string>& ids) {
    json::object operation;
    operation["tags"] = json::array{text_of(route.module)};
    const std::string name = fmt::format("{} {}", to_string(route.method), route.pattern);
    operation["summary"] = text_of(route.summary.empty() ? std::string_view(name) : route.summary);
    std::string id = operation_id(route);
    while (!ids.insert(id).second) id += '_';
    operation["operationId"] = id;
    json::array parameters = parameters_of(route, schemas);
    if (!parameters.empty()) operation["parameters"] = std::move(parameters);
    if (route.types.body != nullptr) {
        json::object media{{"schema", schemas.of(*route.types.body)}};
        schemas.add_rules(*route.types.body, route.types.rules);
        operation["requestBody"] = json::object{
            {"required", true}, {"content", json::object{{"application/json", std::move(media)}}}};
    }
    operation["responses"] = responses_of(route, schemas);
    json::array security;
    const json::object cookie{{"session", json::array{}}};
    if (route.session == SessionNeed::optional) security.push_back(json::object{});
    if (route.session != SessionNeed::none) security.push_back(cookie);
    operation["security"] = std::move(security);
    return operation;
}

}  // namespace

std::string HttpServer::openapi(const std::vector<std::unique_ptr<Route>>& routes,
                                std::string_view title, std::string_view version, bool is_tls) {
    Schemas schemas;  // knows "Problem" from the start: a type of that name becomes Problem2
    json::object paths;
    std::set<std::string> modules;
    std::set<std::string> ids;
    for (const auto& route : routes) {
        std::string method(to_string(route->method));
        for (char& c : method) c = static_cast<char>(c | 0x20);
        json::value& path = paths[route->pattern];
        if (!path.is_object()) path.emplace_object();
        path.as_object()[method] = operation_of(*route, schemas, ids);
        modules.insert(route->module);
    }
    json::array tags;
    for (const std::string& module : modules)
        tags.push_back(json::object{{"name", text_of(module)}});
    json::object components;
    components["schemas"] = std::move(schemas).take();
    components["schemas"].as_object()["Problem"] = problem_schema();
    components["securitySchemes"] =
        json::object{{"session", json::object{{"type", "apiKey"},
                                              {"in", "cookie"},
                                              {"name", text_of(session_cookie_name(is_tls))}}}};
    json::object document;
    document["openapi"] = "3.1.0";
    document["info"] = json::object{{"title", text_of(title)}, {"version", text_of(version)}};
    document["servers"] = json::array{json::object{{"url", "/"}}};
    document["tags"] = std::move(tags);
    document["paths"] = std::move(paths);
    document["components"] = std::move(components);
    return json::serialize(document);
}

}  // namespace loadstone::net
