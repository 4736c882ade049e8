"""PostgreSQL behind a network that loses one direction, for longer than a lease: requests arrive and answers do not, or neither."""

import time
import unittest

from harness.case import FULL, main
from harness.proxy import ANSWERS, REQUESTS, Proxy
from harness.storm import StormTest
from harness.waiting import wait_until

PARTITIONS = 60 if FULL else 6
HELD_UP_MAX_S = 12  # a lease is 1 s
DELAY_MAX_S = 0.03  # each way: to sign off takes two round trips, and is given a heartbeat, 0.2 s


class JobsPartitionTest(StormTest):
    def behind(self, proxy):
        return self.database.url.replace(f":{self.database.port}/", f":{proxy.port}/")

    def proxy(self):
        proxy = Proxy(self.database.port)
        self.addCleanup(proxy.stop)
        return proxy

    def test_nothing_is_lost_when_answers_or_requests_are(self):
        proxies = [self.proxy() for _ in range(3)]
        web = self.storm("web", "web", database=self.behind(proxies[0])).start()
        for i, proxy in enumerate(proxies[1:]):
            self.storm(f"work{i}", "work", database=self.behind(proxy)).start()
        self.storm("bystander", "work").start()
        orders = self.load(web)
        for _ in range(PARTITIONS):
            time.sleep(self.random.uniform(0.3, 0.8))  # the experiment, not a wait
            for proxy in proxies:
                proxy.delay_s = self.random.choice([0, 0.01, DELAY_MAX_S])
            proxy = self.random.choice(proxies)
            directions = self.random.choice([(ANSWERS,), (REQUESTS,), (ANSWERS, REQUESTS)])
            late = self.random.choice([True, False])
            proxy.partition(*directions)
            time.sleep(self.random.uniform(0.2, 3.0))
            proxy.heal(late)
        orders.finish()
        self.check(self.wait_for_end(90))
        for proxy in proxies:
            proxy.delay_s = DELAY_MAX_S
        self.end()

    def test_what_arrives_after_the_lease_is_refused(self):
        """The completions of a process that is cut off arrive when others have done its jobs."""
        proxy = self.proxy()
        web = self.storm("web", "web").start()
        cut_off = self.storm("cut-off", "work", database=self.behind(proxy)).start()
        numbers = self.order(web, "Slow", 8, takes_ms=500, shielded=True)
        self.wait_for_runs(numbers, cut_off)
        proxy.partition(REQUESTS)
        self.storm("other", "work").start()
        wait_until(lambda: self.tables.count("storm_effects") == len(numbers), 20, "the other worker to do them")
        proxy.heal(late=True)
        history = self.wait_for_end(60)
        self.check(history)
        late = [run for run in history.runs if run.pid == cut_off.pid and run.number in numbers]
        self.assertEqual({run.how == "done" for run in late}, {False})
        self.assertEqual(self.tables.count("storm_effects"), len(numbers))
        self.end()

    def test_a_claim_whose_answer_is_lost_is_handed_back(self):
        proxy = self.proxy()
        web = self.storm("web", "web").start()
        worker = self.storm("work", "work", database=self.behind(proxy)).start()
        orders = self.load(web)

        def batches():
            return self.database.rows("select last_value as n from loadstone_batches_id_seq")[0]["n"]

        def is_handed_back():
            # A claim's batch goes with its commit. (Jobs that are put off may be written like that, too.)
            proxy.partition_after(b'[{"queue":"', ANSWERS)
            wait_until(proxy.is_partitioned, 20, "a claim")
            wait_until(lambda: not self.is_within(self.tables.CLAIM), 20, "its commit")
            before = batches()
            proxy.heal(late=False)
            wait_until(lambda: batches() > before, 20, "the next claim")
            return "jobs of a claim whose answer was lost are handed back" in worker.log_text()
        wait_until(is_handed_back, 60, "the answer to a claim's commit to be lost")
        orders.finish()
        self.check(self.wait_for_end(60))
        self.end()

    def is_within(self, statement):
        """Whether some process has done it and has not committed."""
        return self.database.idle_transactions(f"query like '%{statement}%'")

    # What it has locked stays locked until PostgreSQL ends its session, after 60 s without a word
    # (idle_in_transaction_session_timeout): until then nobody can find any dead process, or take its batch.

    def check_cut_off_within(self, statement):
        """One of three is cut off when the server has done the statement and was not told to commit it, another dies."""
        proxy = self.proxy()
        web = self.storm("web", "web").start()
        # With 64 jobs at a time its lease of 600 ms waits behind their transactions, each of some 150 ms on this line.
        self.storm("cut-off", "work", database=self.behind(proxy), jobs_running_max=12).start()
        orders = self.load(web)
        proxy.delay_s = 0.025

        def is_cut_off():
            if not self.is_within(statement):
                return False
            proxy.partition(REQUESTS, ANSWERS)
            time.sleep(5 * proxy.delay_s)  # for a commit that was on its way
            if self.is_within(statement):
                return True
            proxy.heal(late=True)
            return False
        wait_until(is_cut_off, 30, f"a transaction to be within \"{statement}\"")
        proxy.delay_s = 0.0
        dies = self.storm("dies", "work").start()
        wait_until(lambda: any(run.pid == dies.pid for run in self.history().runs), 20, "the second to run some")
        dies.kill()
        self.storm("other", "work").start()
        orders.finish()
        try:
            wait_until(lambda: not self.tables.jobs(), HELD_UP_MAX_S, "the third to do all jobs")
        finally:
            proxy.heal(late=True)
        self.check(self.wait_for_end(60))
        self.end()

    def test_who_is_cut_off_in_its_heartbeat_holds_up_nobody(self):
        self.check_cut_off_within(self.tables.RENEWAL)

    def test_who_is_cut_off_in_a_completion_holds_up_nobody(self):
        self.check_cut_off_within("insert into storm_effects")


if __name__ == "__main__":
    main()
