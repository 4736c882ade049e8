"""What happened to jobs, as the application `storm` told it, and whether that may be.

Plain data in, sentences out: each rule yields what broke it. Times are nanoseconds of the steady clock.
"""

import bisect
import collections
import dataclasses
import json
import pathlib

from . import keyed

TRANSACTIONAL = ("Transactional", "Slow", "Ordered")  # kinds whose effect is a row of the transaction that completes them
UNCOUNTED = ("done", "cancelled", "unavailable", None)  # ends that count as no attempt
SAME_DEATH_NS = 1_000_000_000  # so long no pid comes again, and so far off is what is told of a death


@dataclasses.dataclass
class Run:
    number: int  # of the row of storm_expected
    job: int
    process: int  # the lease: the row of the process,
    batch: int  # and what it claimed with the job
    attempt: int
    pid: int
    began: int
    ended: int = None
    how: str = None  # "done", an error's code, or None: its process did not live to say

    def __str__(self):
        return f"the run of {self.number} (job {self.job}) in process {self.process} (pid {self.pid}), batch {self.batch}"


@dataclasses.dataclass
class History:
    runs: list = dataclasses.field(default_factory=list)
    acts: list = dataclasses.field(default_factory=list)  # (number, job, batch, attempt): what was done outside
    effects: list = dataclasses.field(default_factory=list)  # rows of storm_effects
    expected: dict = dataclasses.field(default_factory=dict)  # number: (kind, failures), of what was committed
    unfinished: list = dataclasses.field(default_factory=list)  # jobs that wait or run
    buried: list = dataclasses.field(default_factory=list)  # numbers of dead letters
    recording_max_ns: int = 10_000_000_000  # what has ended is recorded within this time, unless its process dies
    leases: set = dataclasses.field(default_factory=set)  # rows of processes that are still there
    deaths: dict = dataclasses.field(default_factory=dict)  # of each pid, when it was known each time that it had ended: pids come again
    stood_still: set = dataclasses.field(default_factory=set)  # (pid, when) were stopped for longer than a lease, and went on
    redriven: set = dataclasses.field(default_factory=set)  # numbers of dead letters that were put back, with no attempts
    drained: set = dataclasses.field(default_factory=set)  # (pid, death) that were told to end, and could record what was done
    keys: dict = dataclasses.field(default_factory=dict)  # of each number of a kind that has some
    answered: dict = dataclasses.field(default_factory=dict)  # of each number of a unique kind, the job that its enqueue was told
    sent: dict = dataclasses.field(default_factory=dict)  # of each number, when its request was sent first
    acknowledged: dict = dataclasses.field(default_factory=dict)  # and when it had its answer
    has_one_clock: bool = True  # the database's time passes for all as the steady clock's

    def read(self, folder):
        for file in sorted(pathlib.Path(folder).iterdir()):
            lines = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if file.name == "effects":
                self.acts += [tuple(map(int, line.split())) for line in lines]
            else:
                self.add_events(json.loads(line) for line in lines)
        return self

    def add_events(self, events):
        open_runs = {}
        for event in events:
            key = (event["job"], event["batch"])
            if event["event"] == "start":
                fields = {name: event[name] for name in ("number", "job", "process", "batch", "attempt", "pid")}
                open_runs[key] = Run(**fields, began=event["at"])
                self.runs.append(open_runs[key])
            else:
                open_runs[key].ended, open_runs[key].how = event["at"], event["how"]

    def died(self, pid, at):
        """It may be told twice of a death: the first counts."""
        known = self.deaths.setdefault(pid, [])
        if all(abs(at - other) >= SAME_DEATH_NS for other in known):
            bisect.insort(known, at)

    def death_of(self, pid, at):
        """Of the process that had the pid at that time; None: it lives."""
        known = self.deaths.get(pid, [])
        after = bisect.bisect_left(known, at - SAME_DEATH_NS)
        return known[after] if after < len(known) else None

    def has_stood_still(self, pid, at):
        death = self.death_of(pid, at)
        return any(stopped == pid and self.death_of(pid, since) == death for stopped, since in self.stood_still)

    def was_drained(self, run):
        return (run.pid, self.death_of(run.pid, run.began)) in self.drained

    # A run was cut when its process died or was declared dead: nobody could record what came of it.

    def was_cut(self, run):
        return run.process not in self.leases

    def was_alive_and_cut(self, run):
        """It may have gone on after it was cut."""
        return self.was_cut(run) and (self.death_of(run.pid, run.began) is None or self.has_stood_still(run.pid, run.began))

    def leases_lost_alive(self):
        """By processes that went on, or signed on anew."""
        leases = collections.defaultdict(set)  # of each process
        for run in self.runs:
            leases[run.pid, self.death_of(run.pid, run.began)].add(run.process)
        lost = {lease for of_one in leases.values() for lease in of_one if lease < max(of_one)}
        return lost | {run.process for run in self.runs if run.process not in lost and self.was_alive_and_cut(run)}

    def end_of(self, run):
        """When it certainly ran no more; None: it may still run."""
        if run.ended is not None:
            return run.ended
        death = self.death_of(run.pid, run.began)
        return None if death is None else max(death, run.began)

    def beside(self, run):
        """Runs of its process that were under way while it was."""
        def end(of):
            return self.end_of(of) or float("inf")
        return [other for other in self.runs if other is not run and other.pid == run.pid
                and other.began < end(run) and run.began < end(other)]

    def by_number(self):
        """The runs of each, in the order of their claims."""
        found = collections.defaultdict(list)
        for run in sorted(self.runs, key=lambda run: run.batch):
            found[run.number].append(run)
        return found

    def broken(self, buried=()):
        """What must not be; `buried`: the numbers that should have become dead letters, and no others."""
        return [*self.lost(set(buried)), *self.invented(), *self.effects_broken(), *self.acts_broken(),
                *self.runs_broken(), *self.attempts_broken(), *keyed.broken(self)]

    def merged(self):
        """Numbers of a unique kind whose job is that of another."""
        came = {run.number for run in self.runs} | set(self.buried)
        jobs = {self.answered[number] for number in came if number in self.answered}
        return {number for number, job in self.answered.items() if job in jobs and number not in came}

    def lost(self, should_be_buried):
        """Every committed job has come to one end."""
        for job in self.unfinished:
            yield f"job {job['id']} has not ended: {job}"
        done = {run.number for run in self.runs if run.how == "done"}
        effected = {effect["number"] for effect in self.effects}
        for number, times in collections.Counter(self.buried).items():
            if times > 1:
                yield f"{number} is {times} dead letters"
            if number not in should_be_buried:
                yield f"{number} ({self.expected.get(number)}) is a dead letter"
            if number in effected:
                yield f"{number} is a dead letter, and its effect is there"
        merged = self.merged()
        for number, (kind, _) in self.expected.items():
            finished = number in (effected if kind in TRANSACTIONAL else done)
            if not finished and number not in self.buried and number not in merged:
                yield f"{number} ({kind}) was committed, and is neither done nor a dead letter"
        for number in should_be_buried - set(self.buried):
            yield f"{number} ({self.expected.get(number)}) is no dead letter"

    def invented(self):
        """Nothing ran that was not committed, and no job is of two."""
        numbers, jobs = collections.defaultdict(set), collections.defaultdict(set)
        for run in self.runs:
            if run.number not in self.expected:
                yield f"{run} was of nothing that was committed"
            numbers[run.number].add(run.job)
            jobs[run.job].add(run.number)
        yield from (f"{number} ran as jobs {ids}" for number, ids in numbers.items() if len(ids) > 1)
        yield from (f"job {job} ran as {ids}" for job, ids in jobs.items() if len(ids) > 1)

    def effects_broken(self):
        """Exactly once, by a run that was told so if any was."""
        owners = collections.defaultdict(list)
        runs = {(run.number, run.batch): run for run in self.runs}
        for effect in self.effects:
            owners[effect["number"]].append(effect)
            run = runs.get((effect["number"], effect["batch"]))
            if run is None or (run.job, run.process) != (effect["job"], effect["process"]):
                yield f"an effect of no run: {effect}"
        for number, effects in owners.items():
            if len(effects) > 1:
                yield f"{number} has {len(effects)} effects: {effects}"
        for run in self.runs:
            kind, _ = self.expected.get(run.number, ("", 0))
            if kind in TRANSACTIONAL and run.how == "done" and \
                    run.batch not in [effect["batch"] for effect in owners[run.number]]:
                yield f"{run} was told that it had completed, and its effect is not there"

    def acts_broken(self):
        """What is done outside is done by runs, once by each."""
        runs = {(run.number, run.batch): run for run in self.runs}
        for act, times in collections.Counter(act[:3] for act in self.acts).items():
            if times > 1 or (act[0], act[2]) not in runs:
                yield f"{times} acts of one run, or of none: {act}"
        acted = {(act[0], act[2]) for act in self.acts}
        for run in self.runs:
            kind, _ = self.expected.get(run.number, ("", 0))
            if kind not in TRANSACTIONAL and run.how == "done" and (run.number, run.batch) not in acted:
                yield f"{run} is done and did nothing"

    def runs_broken(self):
        """A job runs again only if its run failed or was cut, and not before that was over."""
        claims = collections.Counter((run.job, run.batch) for run in self.runs)
        yield from (f"job and batch {claim} ran {times} times" for claim, times in claims.items() if times > 1)
        for run in self.runs:
            if self.end_of(run) is None and not self.was_alive_and_cut(run):
                yield f"{run} has not ended"
        for runs in self.by_number().values():
            for earlier, later in zip(runs, runs[1:]):
                yield from self.again_broken(earlier, later)

    def again_broken(self, earlier, later):
        died = self.death_of(earlier.pid, earlier.began)
        if earlier.how == "done" and not self.was_cut(earlier):
            yield f"{earlier} was done, and yet came {later}"
        if earlier.how == "done" and self.was_drained(earlier):
            yield f"{earlier} was done, its process has ended in order, and yet came {later}"
        if earlier.how == "done" and died is not None and self.was_cut(earlier) and \
                died - earlier.ended > self.recording_max_ns:
            yield f"{earlier} was done {(died - earlier.ended) / 1e9:.1f} s before its process died, and yet came {later}"
        end = self.end_of(earlier)
        if (end is None or end > later.began) and not self.was_alive_and_cut(earlier):
            yield f"{earlier} still ran when {later} began"

    def attempts_broken(self):
        """A failure counts once, a death never."""
        for number, runs in self.by_number().items():
            for earlier, later in zip(runs, runs[1:]):
                more = later.attempt - earlier.attempt
                if later.attempt == 1 and number in self.redriven:
                    continue
                if more != 0 and (more != 1 or earlier.how in UNCOUNTED):
                    yield f"{earlier} ended {earlier.how} in attempt {earlier.attempt}, and then came attempt {later.attempt}"
            kind, failures = self.expected.get(number, ("", 0))
            for run in runs:
                if kind == "Failing" and run.how == "done" and run.attempt != failures + 1:
                    yield f"{run} should fail {failures} times, and succeeded in attempt {run.attempt}"

    # Figures.

    def doubled(self):
        """How many did something outside more than once."""
        return sum(times > 1 for times in collections.Counter(act[0] for act in self.acts).values())

    def overlaps(self):
        return sum((self.end_of(earlier) or later.began + 1) > later.began for runs in self.by_number().values()
                   for earlier, later in zip(runs, runs[1:]))

    def summary(self):
        cut = [run for run in self.runs if self.was_cut(run)]
        alive = {run.process for run in cut if self.death_of(run.pid, run.began) is None}
        deaths = sum(map(len, self.deaths.values()))
        return (f"{len(self.expected)} jobs, {len(self.runs)} runs, {sum(run.how is None for run in self.runs)} of them cut by "
                f"{deaths - len(self.drained)} deaths; {len(self.drained)} processes drained, {len(alive)} leases "
                f"lost by processes that lived; {self.doubled()} acts doubled, {self.overlaps()} runs overlapped; "
                f"{len(self.merged())} merged")
