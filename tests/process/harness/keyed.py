"""Rules for kinds of which a key says what may run: limits, throttles, order, uniqueness.

They take a History, and yield what broke them. Only runs that are certain count: none of a lease that was lost by a process
that lived, for it may go on, and even begin, when others have its place.
"""

import collections

# As in storm/main.cc.
AT_ONCE = {"Limited": 2, "Ordered": 1, "Unique": 1}
PER_SECOND, BURST = 20, 4
CLOCK_DRIFT = 0.001  # of the database's clock, which is slewed, against the steady clock


def broken(history):
    yield from limits_broken(history)
    if history.has_one_clock:
        yield from throttles_broken(history)
    yield from order_broken(history)
    yield from uniqueness_broken(history)


def certain_runs(history):
    lost = history.leases_lost_alive()
    return [run for run in history.runs if run.process not in lost]


def end_of(history, run):
    end = history.end_of(run)
    return float("inf") if end is None else end


def by_key(history, kind, runs):
    found = collections.defaultdict(list)
    for run in runs:
        if history.expected.get(run.number, ("", 0))[0] == kind:
            found[history.keys[run.number]].append(run)
    return found


def limits_broken(history):
    """Of a key no more runs are under way than may be.

    A place is taken before a run's beginning is told, and given back after its end is; where its process has died, a lease later.
    """
    certain = certain_runs(history)
    for kind, most in AT_ONCE.items():
        for key, runs in by_key(history, kind, certain).items():
            under_way = []
            for run in sorted(runs, key=lambda run: run.began):
                under_way = [other for other in under_way if end_of(history, other) > run.began] + [run]
                if len(under_way) > most:
                    yield f"{len(under_way)} of {kind} {key} ran at once, not {most}: " + ", ".join(map(str, under_way))


def throttles_broken(history):
    """Of a key no more starts come in any time than its rate and burst allow.

    What counts is the claim, by the database's time, which is not known. But it comes before the run begins, and after its
    job was sent, or its last run had ended. So in a time that contains both of some runs there were as many claims at
    least, however late any of them began. It says most of a backlog, from its first job on; claims that died before a run
    began are not seen.
    """
    lost = history.leases_lost_alive()
    for key, runs in by_key(history, "Throttled", history.runs).items():
        earliest = {}  # of each claim, by number and batch
        last_of = {}
        for run in sorted(runs, key=lambda run: run.batch):
            last = last_of.get(run.number)
            ended = 0 if last is None or last.process in lost else min(end_of(history, last), run.began)
            earliest[run.number, run.batch] = max(history.sent.get(run.number, 0), ended)
            last_of[run.number] = run
        latest = sorted(runs, key=lambda run: run.began)
        for since in sorted(set(earliest.values())):
            count = 0
            for run in latest:
                if earliest[run.number, run.batch] < since:
                    continue
                count += 1
                seconds = (run.began - since) / 1e9
                if count > BURST + PER_SECOND * seconds * (1 + CLOCK_DRIFT):
                    yield f"{count} of Throttled {key} started within {seconds:.3f} s, the last was {run}"
                    break


def order_broken(history):
    """Of a key no job begins before those have ended that were enqueued before it.

    No transaction enqueues of a key before the last one has been answered, so their numbers are in that order. A dead
    letter holds up nobody.
    """
    passed_over = history.redriven | set(history.buried)
    of_number = collections.defaultdict(list)
    for run in certain_runs(history):
        of_number[run.number].append(run)
    of_key = collections.defaultdict(list)
    for number, (kind, _) in sorted(history.expected.items()):
        if kind == "Ordered":
            of_key[history.keys[number]].append(number)
    for numbers in of_key.values():
        last = None  # of those before, the run that ended last
        for number in numbers:
            runs = of_number[number]
            if not runs:
                continue
            first = min(runs, key=lambda run: run.began)
            if last is not None and end_of(history, last) > first.began:
                yield f"{first} began before {last} had ended, which was enqueued before it"
            if number not in passed_over:
                last = max([*runs, last] if last else runs, key=lambda run: end_of(history, run))


def uniqueness_broken(history):
    """Of a key there is one job at a time that has not ended, and that is the one an enqueue is told of.

    A job is there from the answer to its enqueue on, or its first run, and until its last run ends. After that its end is
    recorded within a time, and no more enqueues are told of it. A dead letter has no key.
    """
    for run in history.runs:
        if history.answered.get(run.number, run.job) != run.job:
            yield f"{run} was to be job {history.answered[run.number]}"
    passed_over = history.redriven | set(history.buried)
    there = collections.defaultdict(list)  # of each key: from, to, run
    ended = {}  # of each job: when its last run has, also one that is not certain
    for runs in by_key(history, "Unique", history.runs).values():
        for run in runs:
            if run.number not in passed_over:
                ended[run.job] = max(ended.get(run.job, 0), end_of(history, run))
    for key, runs in by_key(history, "Unique", certain_runs(history)).items():
        of_number = collections.defaultdict(list)
        for run in runs:
            if run.number not in passed_over:
                of_number[run.number].append(run)
        for number, of_job in of_number.items():
            first = min(of_job, key=lambda run: run.began)
            end = max(end_of(history, run) for run in of_job)
            there[key].append((min(first.began, history.acknowledged.get(number, first.began)), end, first))
    for key, spans in there.items():
        spans.sort(key=lambda span: span[0])
        last = spans[0]
        for span in spans[1:]:
            if span[0] < last[1]:
                yield f"{span[2]} and {last[2]} were of two jobs of Unique {key} at a time"
            last = max(last, span, key=lambda each: each[1])
    for number in history.merged():
        job = history.answered[number]
        late = history.sent.get(number, 0) - ended.get(job, float("inf"))
        if late > history.recording_max_ns:
            yield f"{number} was enqueued {late / 1e9:.1f} s after the last run of job {job} had ended, and was told that this is its job"
