"""The checker of histories finds what it is there to find: each history here is good but for one thing."""

import unittest

from harness.history import History, Run

DEAD, ALIVE = 1, 2  # leases


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


def again(history, number, **changes):
    """Another run of it, later and of another batch."""
    first = next(run for run in history.runs if run.number == number)
    fields = {**vars(first), "batch": first.batch + 7, "began": first.began + 100, "ended": first.ended + 100, **changes}
    history.runs.append(Run(**fields))
    history.acts.append((number, first.job, fields["batch"], fields["attempt"]))
    return first


class HistoryTest(unittest.TestCase):
    def setUp(self):
        self.history = good()

    def finds(self, part, buried=()):
        broken = list(self.history.broken(buried))
        self.assertTrue(any(part in each for each in broken), f"{part!r} is not among {broken}")

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
        self.history.deaths = {100: 50}
        self.history.runs = [run for run in self.history.runs if run.number == 2]
        self.history.expected = {2: ("External", 0)}
        self.history.effects, self.history.acts = [], [act for act in self.history.acts if act[0] == 2]
        self.assertEqual(self.history.broken(), [])
        self.history.drained = {100}
        self.finds("has ended in order, and yet came")
        self.history.deaths = {100: 50 + 60_000_000_000}
        self.finds("s before its process died")

    def test_two_runs_at_once(self):
        first = again(self.history, 2, began=15)
        first.how = "cancelled"
        self.finds("still ran when")
        first.process = DEAD  # of a process that lives, and has lost its lease
        self.assertEqual(self.history.broken(), [])

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
