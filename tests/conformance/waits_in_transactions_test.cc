// What waits for others while a transaction is open is refused before it begins to wait.
#include <gmock/gmock.h>

#include "loadstone/analytics/export.h"
#include "loadstone/analytics/query.h"
#include "loadstone/outbound/http.h"
#include "loadstone/outbound/mail.h"
#include "tests/conformance/conformance.h"

namespace tests::conformance {

namespace {

namespace outbound = loadstone::outbound;
using ::testing::AllOf;
using ::testing::HasSubstr;

class WaitsInTransactions : public Conformance {};

struct Figure {
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(Figure, (), (number))
constexpr loadstone::analytics::Query figure{"figure", "select 1 as number"};

enum class Wait { http, mail, read, write, facts, facts_file };

// The address of the documentation (RFC 5737): nobody answers, so whoever asks waits.
Task<void> ask(Context& context, outbound::HttpClient* client) {
    outbound::HttpRequest request;
    request.url = "http://192.0.2.1:8080/secret?token=1";
    co_await client->get(context, std::move(request));
}
Task<void> send(Context& context, outbound::Mailer* mailer) {
    outbound::MailMessage message;
    message.from = mailer->sender();
    message.to.address = "ada@example.org";
    message.message_id = "<1@example.org>";
    co_await mailer->send(context, message);
}

struct Means {
    Wait what = Wait::http;
    Context* context = nullptr;
    outbound::HttpClient* client = nullptr;
    outbound::Mailer* mailer = nullptr;
};

Task<void> wait_in_tx(Tx& tx, Means means) {
    co_await insert_item(tx, "before it waited", 1);
    switch (means.what) {
        case Wait::http: co_return co_await ask(*means.context, means.client);
        case Wait::mail: co_return co_await send(*means.context, means.mailer);
        case Wait::read: co_await item_count(*means.context); co_return;
        case Wait::write: co_await add_item(*means.context, "inside", 1); co_return;
        case Wait::facts:
            co_await loadstone::analytics::query<Figure>(*means.context, figure);
            co_return;
        case Wait::facts_file:
            co_await loadstone::analytics::export_rows(*means.context, figure, "figure.csv");
            co_return;
    }
}
Task<void> write_waiting(Context& context, Means means) {
    context.set_module("conformance");
    means.context = &context;
    co_await context.write(wait_in_tx, means);
}

// Behind the transaction it may; its deadline ends it.
Task<void> ask_after_it(Context& context, Means means) {
    co_await add_item(context, "before it asked", 1);
    co_await ask(context, means.client);
}

}  // namespace

TEST_P(WaitsInTransactions, AreRefusedAndNamed) {
    outbound::HttpClient client({}, store().registry());
    outbound::MailOptions mail;
    mail.url = "smtp://192.0.2.1:2525";
    const auto mailer = outbound::Mailer::open(mail, store().registry());
    const std::pair<Wait, std::string> calls[] = {
        {Wait::http, "GET 192.0.2.1:8080"},  {Wait::mail, "mail to example.org"},
        {Wait::read, "context.reader()"},    {Wait::write, "context.write()"},
        {Wait::facts, "analytics::query()"}, {Wait::facts_file, "analytics::export_rows()"}};
    for (const auto& [what, name] : calls) {
        const Means means{what, nullptr, &client, mailer.get()};
        try {
            store().run(write_waiting, means);
            ADD_FAILURE() << name << " was let through";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::internal);
            EXPECT_THAT(error.message(),
                        AllOf(HasSubstr(name), HasSubstr("(conformance)"), HasSubstr("insert_item"),
                              HasSubstr("conformance.h:"), HasSubstr("awaits nothing but its Tx")));
            EXPECT_EQ(error.message().find("secret"), std::string::npos);
        }
        EXPECT_EQ(store().run(item_count), 0) << name;
    }
    mailer->stop();
}

TEST_P(WaitsInTransactions, AreLetThroughBehindIt) {
    outbound::HttpClient client({}, store().registry());
    const Means means{Wait::http, nullptr, &client, nullptr};
    auto future = store().start(Deadline::in(std::chrono::milliseconds(300)), ask_after_it, means);
    const auto code = code_of([&] { future.get(); });
    EXPECT_TRUE(code == Errc::deadline_exceeded || code == Errc::unavailable);
    EXPECT_EQ(store().run(item_count), 1);
}

LOADSTONE_ON_EVERY_BACKEND(WaitsInTransactions);

}  // namespace tests::conformance
