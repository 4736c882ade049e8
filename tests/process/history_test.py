"""The checker of histories finds what it is there to find: each history here is good but for one thing."""

import unittest

from harness import keyed as keyed_rules
from harness.history import History, Run

DEAD, ALIVE = 1, 2  # leases
S = 1_000_000_000


def good():
    """Three jobs: one completed in its transaction, one done outside, one that failed once."""
    return History(
        runs=[Run(number=1, job=11, process=ALIVE, batch=1, attempt=1, pid=100, began=10, ended=20, how="done"),
              Run(number=2, job=12, process=ALIVE, batch=1, attempt=1, pid=100, began=10, ended=20, how="done"),
              Run(number=3, job=13, process=ALIVE, batch=1, attempt=1, pid=100, began=10, ended=20, how="internal"),
              Run(number=3, job=13, process=ALIVE, batch=2, attempt=2, pid=100, began=30, ended=40, how="done")],
        effects=[{"number": 1, "job": 11, "process": ALIVE, "batch": 1}],
        acts=[(2, 12, 1, 1), (3, 13, 2, 2)],
        expected={1: ("Transactional", 0), 2: ("External", 0), 3: ("Failing", 1)},
        leases={ALIVE})


def keyed(kind, *runs):
    """Jobs of a key; a run is (number, began, ended) and fields of its own."""
    history = History(leases={ALIVE})
    for number, began, ended, *more in runs:
        fields = {"number": number, "job": number + 10, "process": ALIVE, "batch": len(history.runs) + 1, "attempt": 1, "pid": 100,
                  "began": began, "ended": ended, "how": "done", **(more[0] if more else {})}
        history.runs.append(Run(**fields))
        history.expected[number] = (kind, 0)
        history.keys[number] = "key"
        if kind == "Unique":
            history.answered[number] = number + 10
        if kind == "Ordered":
            history.effects += [{"number": number, "job": number + 10, "process": fields["process"], "batch": fields["batch"]}] \
                if fields["how"] == "done" else []
        elif fields["how"] == "done":
            history.acts.append((number, number + 10, fields["batch"], 1))
    return history


CUT = {"how": None, "process": DEAD}  # by its process's death


def again(history, number, **changes):
    """Another run of it, later and of another batch."""
    first = next(run for run in history.runs if run.number == number)
    fields = {**vars(first), "batch": first.batch + 7, "began": first.began + 100, "ended": first.ended + 100, **changes}
    history.runs.append(Run(**fields))
    history.acts.append((number, first.job, fields["batch"], fields["attempt"]))
    return first


class HistoryTestCase(unittest.TestCase):
    def finds(self, part, buried=()):
        broken = list(self.history.broken(buried))
        self.assertTrue(any(part in each for each in broken), f"{part!r} is not among {broken}")

    def is_good(self):
        self.assertEqual(self.history.broken(), [])


class HistoryTest(HistoryTestCase):
    def setUp(self):
        self.history = good()

    def test_a_good_one(self):
        self.assertEqual(self.history.broken(), [])

    def test_a_lost_job(self):
        self.history.expected[4] = ("Transactional", 0)
        self.finds("4 (Transactional) was committed, and is neither")

    def test_an_unfinished_job(self):
        self.history.unfinished = [{"id": 11}]
        self.finds("job 11 has not ended")

    def test_a_dead_letter_that_should_be_none(self):
        self.history.buried = [2]
        self.finds("2 (('External', 0)) is a dead letter")
        self.assertEqual(self.history.broken(buried=[2]), [])

    def test_a_dead_letter_that_is_missing(self):
        self.finds("is no dead letter", buried=[2])

    def test_a_dead_letter_with_an_effect(self):
        self.history.buried = [1]
        self.finds("1 is a dead letter, and its effect is there", buried=[1])

    def test_a_run_of_what_was_rolled_back(self):
        del self.history.expected[2]
        self.finds("was of nothing that was committed")

    def test_one_number_as_two_jobs(self):
        again(self.history, 2, job=99)
        self.finds("2 ran as jobs")

    def test_two_effects(self):
        self.history.effects.append({**self.history.effects[0]})
        self.finds("1 has 2 effects")

    def test_an_effect_of_no_run(self):
        self.history.effects[0]["batch"] = 5
        self.finds("an effect of no run")

    def test_a_completion_that_is_not_there(self):
        again(self.history, 1).how = "cancelled"
        self.finds("its effect is not there")

    def test_an_act_twice(self):
        self.history.acts.append(self.history.acts[0])
        self.finds("2 acts of one run")

    def test_done_and_run_again(self):
        again(self.history, 2)
        self.finds("was done, and yet came")

    def test_run_again_after_its_process_died(self):
        again(self.history, 2).process = DEAD
        self.history.runs[-1].pid = 101
        self.history.died(100, 50)
        self.history.runs = [run for run in self.history.runs if run.number == 2]
        self.history.expected = {2: ("External", 0)}
        self.history.effects, self.history.acts = [], [act for act in self.history.acts if act[0] == 2]
        self.assertEqual(self.history.broken(), [])
        self.history.drained = {(100, 50)}
        self.finds("has ended in order, and yet came")
        self.history.deaths = {100: [50 + 60_000_000_000]}
        self.finds("s before its process died")

    def test_two_runs_at_once(self):
        first = again(self.history, 2, began=15)
        first.how = "cancelled"
        self.finds("still ran when")
        first.process = DEAD  # of a process that lives, and has lost its lease
        self.assertEqual(self.history.broken(), [])

    def test_a_pid_that_comes_again(self):
        cut = again(self.history, 2, pid=101, began=30 * S, ended=31 * S)
        cut.ended, cut.how, cut.process = None, None, DEAD
        self.history.died(100, 2 * S)
        self.is_good()
        self.history.died(100, 60 * S)  # of another process
        self.is_good()
        self.history.deaths[100] = [60 * S]
        self.finds("still ran when")

    def test_a_pid_that_comes_again_and_stood_still_before(self):
        again(self.history, 2, began=15, ended=25).how = "cancelled"
        self.history.runs[1].process = DEAD
        self.history.died(100, 60 * S)
        self.history.stood_still = {(100, 5 * S)}
        self.is_good()
        self.history.stood_still = {(100, 65 * S)}
        self.finds("still ran when")

    def test_a_death_that_is_told_of_twice(self):
        self.history.died(100, 5 * S)
        self.history.died(100, 5 * S + 1_000_000)
        self.assertEqual(self.history.deaths, {100: [5 * S]})

    def test_a_batch_that_runs_twice(self):
        again(self.history, 2, batch=1)
        self.finds("ran 2 times")

    def test_a_death_that_counts_as_an_attempt(self):
        again(self.history, 2, attempt=2).how = "cancelled"
        self.finds("then came attempt 2")

    def test_a_failure_that_is_not_counted(self):
        self.history.expected[3] = ("Failing", 2)
        self.finds("should fail 2 times")

    def test_a_run_without_an_end(self):
        self.history.runs[1].ended = self.history.runs[1].how = None
        self.finds("has not ended")


class LimitsTest(HistoryTestCase):
    def test_as_many_as_may(self):
        self.history = keyed("Limited", (1, 10, 20), (2, 12, 30), (3, 20, 40))
        self.is_good()

    def test_one_more(self):
        self.history = keyed("Limited", (1, 10, 21), (2, 12, 30), (3, 20, 40))
        self.finds("3 of Limited key ran at once, not 2")
        self.history.keys[3] = "other"
        self.is_good()

    def test_what_a_death_has_cut_counts_until_then(self):
        self.history = keyed("Limited", (1, 1 * S, None, {**CUT, "pid": 101}), (2, 2 * S, 9 * S), (3, 4 * S, 5 * S), (1, 10 * S, 11 * S))
        self.history.died(101, 3 * S)
        self.is_good()
        self.history.deaths = {101: [6 * S]}
        self.finds("3 of Limited key ran at once")

    def test_what_lives_and_has_lost_its_lease_does_not_count(self):
        self.history = keyed("Limited", (1, 10, 50, {"how": "cancelled", "process": DEAD, "pid": 101}), (2, 12, 30), (3, 20, 40), (1, 45, 60))
        self.is_good()
        self.history.leases.add(DEAD)
        self.finds("3 of Limited key ran at once")

    def test_what_has_signed_on_anew_had_lost_its_lease(self):
        self.history = keyed("Limited", (1, 1 * S, None, {**CUT, "pid": 101}), (2, 2 * S, 9 * S), (3, 4 * S, 5 * S), (1, 10 * S, 11 * S))
        self.history.died(101, 6 * S)
        self.finds("3 of Limited key ran at once")
        self.history.runs[2].pid = 101
        self.is_good()


class ThrottlesTest(HistoryTestCase):
    def setUp(self):
        """Sent at once and begun as soon as may be."""
        began = [S + max(0, i + 1 - keyed_rules.BURST) * S // keyed_rules.PER_SECOND for i in range(16)]
        self.history = keyed("Throttled", *[(i + 1, at, at + 1) for i, at in enumerate(began)])
        self.history.sent = dict.fromkeys(range(1, 17), S)

    def test_as_many_as_may(self):
        self.is_good()

    def test_one_too_early(self):
        self.history.runs[-1].began -= 2 * S // keyed_rules.PER_SECOND
        self.finds("15 of Throttled key started within")
        self.history.has_one_clock = False
        self.is_good()

    def test_who_begins_late_has_not_been_claimed_then(self):
        for run in self.history.runs:
            run.began, run.ended = 2 * S, 2 * S + 1
        self.is_good()

    def test_a_run_again_is_a_start(self):
        self.history = keyed("Throttled", *[(1, S + i, S + i, {"how": "unavailable"}) for i in range(keyed_rules.BURST)], (1, S + 9, S + 9))
        self.history.sent = {1: S}
        self.finds(f"{keyed_rules.BURST + 1} of Throttled key started within")


class OrderTest(HistoryTestCase):
    def test_one_after_the_other(self):
        self.history = keyed("Ordered", (1, 10, 20, {"how": "internal"}), (1, 30, 40), (2, 40, 50))
        self.is_good()

    def test_one_that_begins_before_another_has_ended(self):
        self.history = keyed("Ordered", (1, 10, 20), (2, 19, 50))
        self.finds("had ended, which was enqueued before it")

    def test_one_that_overtakes(self):
        self.history = keyed("Ordered", (2, 10, 20), (1, 30, 40))
        self.finds("had ended, which was enqueued before it")

    def test_one_that_overtakes_what_has_failed(self):
        self.history = keyed("Ordered", (1, 10, 20, {"how": "internal"}), (2, 25, 28), (1, 30, 40))
        self.finds("had ended, which was enqueued before it")
        self.history.redriven = {1}  # it was a dead letter meanwhile
        self.is_good()

    def test_one_that_overtakes_what_a_death_has_cut(self):
        self.history = keyed("Ordered", (1, 1 * S, None, {**CUT, "pid": 101}), (2, 5 * S, 6 * S), (1, 7 * S, 8 * S))
        self.history.died(101, 3 * S)
        self.finds("had ended, which was enqueued before it")

    def test_what_lives_and_has_lost_its_lease_may_go_on(self):
        self.history = keyed("Ordered", (1, 10, 90, {"how": "cancelled", "process": DEAD}), (1, 30, 40), (2, 50, 60))
        self.is_good()


class UniquenessTest(HistoryTestCase):
    def setUp(self):
        self.history = keyed("Unique", (1, 10, 20), (2, 30, 40))

    def merge(self, number, job):
        self.history.expected[number], self.history.keys[number] = ("Unique", 0), "key"
        self.history.answered[number] = job

    def test_one_after_the_other(self):
        self.is_good()

    def test_two_that_run(self):
        self.history.runs[1].began = 15
        self.finds("were of two jobs of Unique key at a time")

    def test_one_that_waits_while_another_runs(self):
        self.history.acknowledged = {2: 15}
        self.finds("were of two jobs of Unique key at a time")
        self.history.redriven = {1}
        self.is_good()

    def test_one_that_runs_between_two_runs_of_another(self):
        self.history = keyed("Unique", (1, 10, 20, {"how": "internal"}), (2, 30, 40), (1, 50, 60, {"attempt": 2}))
        self.finds("were of two jobs of Unique key at a time")

    def test_what_is_merged_needs_no_run(self):
        self.merge(3, job=12)
        self.is_good()
        self.merge(4, job=99)  # of which nothing is known
        self.finds("4 (Unique) was committed, and is neither")

    def test_what_is_merged_runs_as_no_other_job(self):
        self.history.answered[2] = 11
        self.finds("was to be job 11")

    def test_what_is_merged_into_what_has_ended(self):
        self.merge(3, job=12)
        self.history.sent = {3: 40 + self.history.recording_max_ns}
        self.is_good()
        self.history.sent[3] += 1
        self.finds("and was told that this is its job")


if __name__ == "__main__":
    unittest.main(verbosity=2)
