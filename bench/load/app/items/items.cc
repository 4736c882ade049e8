#include "items/items.h"

#include <fmt/core.h>

#include <charconv>

#include "items/sql.h"
#include "loadstone/base/error.h"

namespace items {

using namespace loadstone;

namespace sql {
BOOST_DESCRIBE_STRUCT(Item, (), (id, name, category, price, quantity, score, ratings))
}

namespace {

constexpr std::size_t name_max = 200;
constexpr std::int64_t price_max = 1'000'000'000;

struct PageOfItems {
    std::string category;
    std::optional<std::int64_t> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfItems, (), (category, after, limit))

void validate(Check& check, const PageOfItems& page) {
    check.range("limit", page.limit.value_or(10), 1, 50);
}

struct Items {
    std::vector<sql::Item> items;
    std::optional<std::int64_t> next_after;
};
BOOST_DESCRIBE_STRUCT(Items, (), (items, next_after))

struct Change {
    std::string name;
    std::int64_t price = 0, quantity = 0;
};
BOOST_DESCRIBE_STRUCT(Change, (), (name, price, quantity))

void validate(Check& check, const Change& in) {
    check.length("name", in.name, 1, name_max);
    check.range("price", in.price, 0, price_max);
}

struct NewItem {
    std::int64_t id = 0;
    std::string name, category;
    std::int64_t price = 0, quantity = 0;
};
BOOST_DESCRIBE_STRUCT(NewItem, (), (id, name, category, price, quantity))

void validate(Check& check, const NewItem& in) {
    check.length("name", in.name, 1, name_max);
    check.range("price", in.price, 0, price_max);
}

struct Prices {
    std::int64_t least = 0, most = 0;
};
BOOST_DESCRIBE_STRUCT(Prices, (), (least, most))

struct Terms {
    std::int64_t a = 0, b = 0;
};
BOOST_DESCRIBE_STRUCT(Terms, (), (a, b))

struct Sum {
    std::int64_t sum = 0;
};
BOOST_DESCRIBE_STRUCT(Sum, (), (sum))

struct Offer {
    std::int64_t count = 0, times = 1;
};
BOOST_DESCRIBE_STRUCT(Offer, (), (count, times))

void validate(Check& check, const Offer& offer) { check.range("count", offer.count, 1, 50); }

struct Priced {
    std::int64_t id = 0;
    std::string name, category;
    std::int64_t price = 0, quantity = 0, score = 0, ratings = 0, total = 0;
};
BOOST_DESCRIBE_STRUCT(Priced, (), (id, name, category, price, quantity, score, ratings, total))

struct Offered {
    std::vector<Priced> items;
    std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Offered, (), (items, count))

Error no_item(std::int64_t id) {
    return Error(Errc::not_found, fmt::format("there is no item {}", id));
}

Task<Reply<sql::Item>> show_item(Context& context, Path<std::int64_t> id) {
    auto found = co_await sql::item_by_id(context.reader(), id.value);
    if (!found) throw no_item(id.value);
    Reply<sql::Item> reply{std::move(*found)};
    co_return reply;
}

Task<Reply<Items>> list_items(Context& context, Parameters<PageOfItems> page) {
    std::optional<sql::ItemsOfCategoryCursor> after;
    if (page->after) after.emplace().id = *page->after;
    auto found = co_await sql::items_of_category(context.reader(), page->category,
                                                 page->limit.value_or(10), after);
    Reply<Items> reply;
    reply.body.items = std::move(found.rows);
    if (found.next) reply.body.next_after = found.next->id;
    co_return reply;
}

Task<sql::Item> update(Tx& tx, std::int64_t id, Change in) {
    auto found = co_await sql::update_item(tx, id, in.name, in.price, in.quantity);
    if (!found) throw no_item(id);
    co_return std::move(*found);
}

Task<Reply<sql::Item>> change_item(Context& context, Path<std::int64_t> id, Body<Change> in) {
    Reply<sql::Item> reply;
    reply.body = co_await context.write(update, id.value, *in);
    co_return reply;
}

Task<sql::Item> put(Tx& tx, NewItem in) {
    co_return co_await sql::put_item(tx, in.id, in.name, in.category, in.price, in.quantity);
}

Task<Reply<sql::Item, 201>> put_item(Context& context, Body<NewItem> in) {
    Reply<sql::Item, 201> reply;
    reply.body = co_await context.write(put, *in);
    co_return reply;
}

Task<Reply<Items>> items_of_price(Context& context, Parameters<Prices> prices) {
    Reply<Items> reply;
    reply.body.items = co_await sql::items_of_price(context.reader(), prices->least, prices->most);
    co_return reply;
}

Task<Reply<Sum>> add(Context&, Body<Terms> terms) {
    Reply<Sum> reply{{terms->a + terms->b}};
    co_return reply;
}

// As the table is filled, so that both servers have the same.
const std::vector<Priced>& offered() {
    static const std::vector<Priced> all = [] {
        constexpr std::array categories{"toys", "food", "book", "home"};
        std::vector<Priced> made;
        for (std::int64_t i = 1; i <= 50; ++i)
            made.push_back({i, fmt::format("item{}", i),
                            categories[static_cast<std::size_t>(i % 4)], i % 500 + 1, i % 20,
                            i % 101, i % 1000, 0});
        return made;
    }();
    return all;
}

Task<Reply<Offered>> show_offer(Context&, Parameters<Offer> offer) {
    Reply<Offered> reply;
    reply.body.count = offer->count;
    reply.body.items.assign(offered().begin(), offered().begin() + offer->count);
    for (Priced& item : reply.body.items) item.total = item.price * item.quantity * offer->times;
    co_return reply;
}

Task<std::uint64_t> fill_items(Tx& tx, std::int64_t count) {
    co_return co_await sql::fill_items(tx, count);
}

Task<std::string> fill(Context& context, std::vector<std::string> arguments) {
    std::int64_t count = 0;
    if (!arguments.empty())
        std::from_chars(arguments[0].data(), arguments[0].data() + arguments[0].size(), count);
    if (count < 1) throw Error(Errc::invalid_argument, "fill-items takes a positive number");
    const auto made = co_await context.write(fill_items, count);
    co_return fmt::format("{} items\n", made);
}

void routes(Routes& routes) {
    routes.get("/items", list_items).open_to_all();
    routes.get("/items/{id}", show_item).open_to_all();
    routes.put("/items/{id}", change_item).open_to_all();
    routes.post("/items", put_item).open_to_all();
    routes.get("/priced", items_of_price).open_to_all();
    routes.get("/offer", show_offer).open_to_all();
    // A limit that is checked and never hit.
    routes.post("/sum", add)
        .open_to_all()
        .limit_per_address(1'000'000'000, std::chrono::seconds(1));
}

}  // namespace

Module module() {
    return {.name = "items",
            .migrations = sql::migrations,
            .routes = routes,
            .commands = {{"fill-items", "Make N items: fill-items N", fill}}};
}

}  // namespace items
