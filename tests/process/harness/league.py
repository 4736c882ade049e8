"""Whether what readers were shown by the application tests/process/league is what recomputing gives, at a position at or past theirs.

The database's triggers keep a history of the rows, by transactions in the order in which they show. It is played again here, and all that
can be shown is computed anew after each: so for each answer it is known at which positions it was true."""

import bisect
import collections
import json

TEAMS, LEAGUES = 8, 3
FIRST_LEAGUES = {1: 1, 2: 2, 3: 3, 4: 1, 5: 2, 6: 3, 7: 1, 8: 2}  # as the migration has them


def text_of(value):
    return json.dumps(value, separators=(",", ":"))


def some_of(team):
    """Whose sums are asked for together."""
    return sorted({team, team % TEAMS + 1, (team + 2) % TEAMS + 1})


class Rows:
    """The tables at a position."""

    def __init__(self):
        self.leagues = dict(FIRST_LEAGUES)
        self.players = {}  # id: (team, points)
        self.teams = {team: {} for team in self.leagues}  # team: {id: points}

    def apply(self, row):
        """A row of the history; gives the players, and the teams that it is about."""
        if row["player"] is None:
            self.leagues[row["team"]] = row["league"]
            return [], [row["team"]]
        touched = []
        if row["player"] in self.players:
            before, _ = self.players.pop(row["player"])
            del self.teams[before][row["player"]]
            touched.append(before)
        if row["team"] is not None:
            self.players[row["player"]] = (row["team"], row["points"])
            self.teams[row["team"]][row["player"]] = row["points"]
            touched.append(row["team"])
        return [row["player"]], touched

    def sum(self, team):
        points = self.teams[team].values()
        return {"team": team, "players": len(points), "points": sum(points)}

    def top(self, league):
        sums = [(-sum(players.values()), team) for team, players in self.teams.items() if league in (0, self.leagues[team])]
        return [[team, -points] for points, team in sorted(sums)[:3] if points < 0]

    def shown(self, players, teams):
        """All that may differ after a change of these: {name: text}."""
        found = {f"player {id}": [{"team": self.players[id][0], "points": self.players[id][1]}] if id in self.players else []
                 for id in players}
        for team in teams:
            points = list(self.teams[team].values())
            found[f"team {team}"] = [{"id": id, "points": points} for id, points in sorted(self.teams[team].items())]
            found[f"league_of {team}"] = self.leagues[team]
            found[f"kept {team}"] = [len(points), sum(points), max(points, default=None), min(points, default=None)]
        for team in self.leagues:
            some = some_of(team)
            if not teams.isdisjoint(some):
                found[f"sums {team}"] = [self.sum(each) for each in some if self.teams[each]]
        for league in range(1, LEAGUES + 1):
            found[f"league {league}"] = [self.sum(team) for team in sorted(self.leagues) if self.leagues[team] == league]
            found[f"top {league}"] = self.top(league)
        found["top 0"] = self.top(0)
        found["all"] = {"players": len(self.players), "points": sum(points for _, points in self.players.values())}
        return {name: text_of(value) for name, value in found.items()}


class Truth:
    """What would have been computed at each position, of those that were not forgotten."""

    def __init__(self):
        self.rows = Rows()
        self.last = 0  # position
        self.positions = {}  # of each transaction
        self.since = collections.defaultdict(lambda: ([], []))  # name: positions, texts from there on
        self.note(0, self.rows.shown(range(1, 200), set(self.rows.leagues)))

    def note(self, position, shown):
        for name, text in shown.items():
            positions, texts = self.since[name]
            if not texts or texts[-1] != text:
                positions.append(position)
                texts.append(text)

    def read(self, database):
        """Plays what was committed since it was read last."""
        commits = database.rows(f"select position, tx from league_commits where position > {self.last} order by position")
        history = collections.defaultdict(list)
        for row in database.rows("select tx, player, team, league, points from league_history order by id"):
            history[row["tx"]].append(row)
        for commit in commits:
            position, tx = commit["position"], commit["tx"]
            players, teams = set(), set()
            for row in history.pop(tx, []):
                changed = self.rows.apply(row)
                players.update(changed[0])
                teams.update(changed[1])
            if teams:
                self.note(position, self.rows.shown(players, teams))
            self.positions[tx] = self.last = position
        assert not history, f"changes of {len(history)} transactions that have not ended"
        database.execute("delete from league_history")
        database.execute(f"delete from league_commits where position < {self.last}")

    def forget(self, position):
        """All that was no longer true there."""
        self.positions = {tx: at for tx, at in self.positions.items() if at >= position}
        for positions, texts in self.since.values():
            first = max(0, bisect.bisect_right(positions, position) - 1)
            del positions[:first], texts[:first]

    def first_at(self, name, text, least, most):
        """The first position from `least` to `most` at which it was true; None if there is none."""
        positions, texts = self.since[name]
        for at in range(max(0, bisect.bisect_right(positions, least) - 1), len(texts)):
            if positions[at] > most:
                return None
            if texts[at] == text:
                return max(least, positions[at])
        return None


class Session:
    """What one client was shown, in its order, and is therefore owed."""

    def __init__(self):
        self.position = None  # as it travels
        self.floor = 0  # in the order of commits
        self.asked = []  # what is yet to be checked: what is owed, whether it carried its position, the last position after (None: not known), what was shown

    def check(self, truth, wrong):
        """Adds what was not true at or past the session's position, and gives how much was looked at."""
        count = 0
        for owed, carried, last, shown in self.asked:
            last = truth.last if last is None else last
            if not carried:
                self.floor = 0
            self.floor = max(self.floor, owed())
            for one in shown:
                count += 1
                self.check_one(truth, one["name"], one["text"], last, wrong)
        self.asked = []
        return count

    def check_one(self, truth, name, text, last, wrong):
        if name == "wrote":
            found = truth.positions.get(int(text))  # acknowledged: it must be there
        elif name == "position":
            found = int(text) if int(text) >= self.floor else None
        else:
            found = truth.first_at(name, text, self.floor, last)
        if found is not None:
            self.floor = max(self.floor, found)
            return
        ever = truth.first_at(name, text, 0, truth.last) if name not in ("wrote", "position") else None
        wrong.append(f"{name}: {text} was shown to who had seen {self.floor}, when {last} was the last; it was true "
                     + ("never" if ever is None else f"at {ever}"))
