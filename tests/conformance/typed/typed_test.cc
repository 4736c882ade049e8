// What tools/sqlgen generates does on every database what its header says.
#include "tests/conformance/typed/typed.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace tests::conformance::typed {
namespace {

using loadstone::Timestamp;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Typed : public TypedConformance {};

Task<std::int64_t> note_count(Context& context) {
    co_return co_await sql::note_count(context.reader());
}
Task<std::optional<sql::Note>> note(Context& context, std::int64_t id) {
    co_return co_await sql::note(context.reader(), sql::NoteId(id));
}

sql::AddNotesNotes row(std::string topic, std::int64_t rank) {
    sql::AddNotesNotes made;
    made.topic = std::move(topic);
    made.rank = rank;
    return made;
}

std::vector<sql::NoteId> ids(std::initializer_list<std::int64_t> values) {
    std::vector<sql::NoteId> made;
    for (const std::int64_t value : values) made.emplace_back(value);
    return made;
}

}  // namespace

TEST_P(Typed, BulkInsertTakesTenThousandRows) {
    Rows rows;
    for (int i = 0; i < 10'000; ++i) rows.push_back(row("bulk", i));
    EXPECT_EQ(store().run(add_notes, rows), 10'000U);
    EXPECT_EQ(store().run(note_count), 10'000);
    EXPECT_EQ(store().run(note, 10'000)->rank, 9'999);
}

TEST_P(Typed, BulkInsertOfNothingInsertsNothing) {
    EXPECT_EQ(store().run(add_notes, Rows()), 0U);
    EXPECT_EQ(store().run(note_count), 0);
}

TEST_P(Typed, BulkInsertKeepsEveryValueAsItIs) {
    Rows rows;
    for (const std::string text :
         {"", "it's \"quoted\" \\ and \n", "\u00e4\u4e2d\U0001F393", "null"}) {
        rows.push_back(row("values", std::numeric_limits<std::int64_t>::max()));
        rows.back().body = text;
        rows.back().score = 0.1;
        rows.back().is_done = true;
        rows.back().noted_at = Timestamp{1'700'000'000'123'456};
    }
    rows.push_back(row("values", std::numeric_limits<std::int64_t>::min()));
    rows.back().score = -1.5e300;
    store().run(add_notes, rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto read = store().run(note, static_cast<std::int64_t>(i) + 1);
        ASSERT_TRUE(read);
        EXPECT_EQ(read->rank, rows[i].rank);
        EXPECT_EQ(read->body, rows[i].body);
        EXPECT_EQ(read->score, rows[i].score);
        EXPECT_EQ(read->is_done, rows[i].is_done);
        EXPECT_EQ(read->noted_at, rows[i].noted_at);
    }
}

TEST_P(Typed, BulkInsertRefusesWhatCannotBeStored) {
    Rows rows{row(std::string("a\0b", 3), 1)};
    EXPECT_EQ(code_of([&] { store().run(add_notes, rows); }), Errc::invalid_argument);
    rows = {row("a", 1)};
    rows.back().score = std::numeric_limits<double>::infinity();
    EXPECT_EQ(code_of([&] { store().run(add_notes, rows); }), Errc::invalid_argument);
    EXPECT_EQ(store().run(note_count), 0);
}

namespace {

Task<std::int64_t> tag_twice(Tx& tx) {
    std::vector<sql::AddTagsTags> tags(2);
    tags[0].note = sql::NoteId(1);
    tags[0].tag = "b";
    tags[1].note = sql::NoteId(1);
    tags[1].tag = "a";
    const auto first = co_await sql::add_tags(tx, tags);
    tags[1].tag = "c";
    const auto second = co_await sql::add_tags(tx, tags);
    co_return static_cast<std::int64_t>(first * 10 + second);
}
Task<std::int64_t> add_tags(Context& context) { co_return co_await context.write(tag_twice); }
Task<std::vector<sql::TaggedRow>> tagged(Context& context) {
    co_return co_await sql::tagged(context.reader());
}

}  // namespace

TEST_P(Typed, BulkInsertMayMeetWhatIsThere) {
    store().run(add_notes, Rows{row("tags", 1), row("tags", 2)});
    EXPECT_EQ(store().run(add_tags), 21) << "two, and then the one that is new";
    const auto rows = store().run(tagged);
    ASSERT_EQ(rows.size(), 4U);
    EXPECT_THAT((std::vector{rows[0].tag, rows[1].tag, rows[2].tag}),
                ElementsAre(std::optional<std::string>("a"), std::optional<std::string>("b"),
                            std::optional<std::string>("c")));
    EXPECT_EQ(rows[3].id, sql::NoteId(2));
    EXPECT_EQ(rows[3].tag, std::nullopt) << "an outer join's";
}

namespace {

Task<std::vector<sql::Note>> notes_among(Context& context, std::vector<sql::NoteId> among) {
    co_return co_await sql::notes_among(context.reader(), among);
}
Task<std::vector<sql::NoteId>> notes_beside(Context& context, std::vector<sql::NoteId> beside) {
    co_return co_await sql::notes_beside(context.reader(), beside);
}
Task<std::vector<sql::NoteId>> notes_about(Context& context, std::vector<std::string> topics,
                                           std::vector<double> scores, bool done) {
    const std::array<bool, 1> is_done{done};
    co_return co_await sql::notes_about(context.reader(), topics, scores, is_done);
}

}  // namespace

TEST_P(Typed, InTakesAnArray) {
    store().run(add_notes, Rows{row("a", 1), row("b", 2), row("c", 3)});
    const auto among = store().run(notes_among, ids({3, 1, 3, 99}));
    ASSERT_EQ(among.size(), 2U);
    EXPECT_EQ(among[0].topic, "a");
    EXPECT_EQ(among[1].topic, "c");
    EXPECT_THAT(store().run(notes_beside, ids({3, 1})), ElementsAre(sql::NoteId(2)));
}

TEST_P(Typed, NothingIsInAnEmptyArray) {
    store().run(add_notes, Rows{row("a", 1), row("b", 2)});
    EXPECT_THAT(store().run(notes_among, ids({})), IsEmpty());
    EXPECT_THAT(store().run(notes_beside, ids({})), ElementsAre(sql::NoteId(1), sql::NoteId(2)));
}

TEST_P(Typed, ArraysAreOfTextRealsAndTruths) {
    Rows rows{row("it's", 1), row("b\"", 2), row("c", 3)};
    for (sql::AddNotesNotes& each : rows) each.score = 0.1 * static_cast<double>(each.rank);
    rows[1].is_done = true;
    store().run(add_notes, rows);
    const std::vector<std::string> topics{"it's", "b\""};
    const std::vector<double> scores{0.1, 0.2, 0.1 * 3};
    EXPECT_THAT(store().run(notes_about, topics, scores, false), ElementsAre(sql::NoteId(1)));
    EXPECT_THAT(store().run(notes_about, topics, scores, true), ElementsAre(sql::NoteId(2)));
    EXPECT_THAT(store().run(notes_about, topics, std::vector<double>{0.3}, true), IsEmpty());
}

namespace {

using Bytes = std::vector<std::byte>;

Task<std::string> nulls(Tx& tx) {
    const Bytes bytes{std::byte{0}, std::byte{255}};
    const std::optional<std::string> body("words");
    const sql::NoteId empty = co_await sql::add_note(tx, "nulls", 1, std::nullopt, std::nullopt);
    const sql::NoteId full = co_await sql::add_note(tx, "nulls", 2, body, bytes);
    std::string found;
    // In the transaction itself: a Tx goes where a Reader is asked for.
    const auto first = co_await sql::note(tx, empty);
    const auto second = co_await sql::note(tx, full);
    if (first && !first->body && !first->score) found += "empty ";
    if (second && second->body == body) found += "full ";
    const auto no_raw = co_await sql::raw(tx, empty);
    const auto raw = co_await sql::raw(tx, full);
    if (!no_raw && raw == bytes) found += "raw ";
    const auto changed = co_await sql::set_body(tx, full, std::nullopt);
    const auto unchanged = co_await sql::set_body(tx, sql::NoteId(99), "nobody's");
    const auto third = co_await sql::note(tx, full);
    if (changed == 1 && unchanged == 0 && third && !third->body) found += "unset";
    co_return found;
}
Task<std::string> write_nulls(Context& context) { co_return co_await context.write(nulls); }

Task<std::vector<std::int64_t>> each_rank(Context& context, std::string topic) {
    std::vector<std::int64_t> ranks;
    auto sink = [&](const sql::Note& each) { ranks.push_back(each.rank); };
    const auto count = co_await sql::each_note(context.reader(), sink, topic);
    ranks.push_back(static_cast<std::int64_t>(count));
    co_return ranks;
}

}  // namespace

TEST_P(Typed, NullsGoInAndComeBack) { EXPECT_EQ(store().run(write_nulls), "empty full raw unset"); }

TEST_P(Typed, AStreamGivesRowByRow) {
    store().run(add_notes, Rows{row("s", 5), row("other", 1), row("s", 7)});
    EXPECT_THAT(store().run(each_rank, std::string("s")), ElementsAre(5, 7, 2));
}

LOADSTONE_ON_EVERY_BACKEND(Typed);

}  // namespace tests::conformance::typed
