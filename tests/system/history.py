"""Could one register have answered like this? A checker of histories of a single tag, or of a single manifest.

An operation has a start and an end by one monotonic clock, and took effect once, at some moment between them. One whose
outcome is unknown (5xx, a broken connection) has no end: it took effect at any time after its start, or never. A
history is accepted if there is an order of the moments in which every answer is right (Herlihy and Wing's
linearizability). The search is Wing and Gong's with Lowe's memory of where it has been; what makes it fast here:

- a read that the register's value answers is placed at once, which never hurts;
- an unknown operation is placed only where an answer needs it, which loses nothing, and a way there that used up more
  of them than another is not followed;
- a value is not left while somebody still has to read it and nobody can write it again.
"""
from typing import NamedTuple, Optional

ABSENT = None

# What an operation does, and what its answer tells:
WRITE = "write"      # the value stands
REMOVE = "remove"    # nothing stands; known: something stood before
ERASE = "erase"      # nothing stands, if this value stood; known or not: nothing is told about what stood
READ = "read"        # this value stood (ABSENT: nothing)
PRESENT = "present"  # something stood


class Operation(NamedTuple):
    kind: str
    value: Optional[str]
    start: float
    end: Optional[float]  # None: its outcome is unknown

    def __str__(self):
        value = "nothing" if self.value is ABSENT else self.value
        what = {WRITE: f"write {value}", REMOVE: "remove", ERASE: f"erase {value}", READ: f"read {value}"}
        until = "unknown" if self.end is None else f"{self.end:.4f}"
        return f"{self.start:.4f}..{until} {what.get(self.kind, self.kind)}"


class Undecided(Exception):
    """The search is too long. Not seen for histories of some thousand operations, a dozen at a time."""


def explain(history, initial=ABSENT, limit=2_000_000):
    """None for a history that one register can have answered, else what can't be placed, as text."""
    # A read of unknown outcome tells nothing.
    known = sorted((o for o in history if o.end is not None), key=lambda o: (o.start, o.end))
    unknown = sorted((o for o in history if o.end is None and o.kind in (WRITE, REMOVE, ERASE)), key=lambda o: o.start)
    return _Search(known, unknown, limit).run(initial)


class _Search:
    def __init__(self, known, unknown, limit):
        self.known, self.unknown, self.limit = known, unknown, limit
        self.all = (1 << len(known)) - 1
        self.readers, self.writers, self.maybe_writers = {}, {}, {}
        for i, o in enumerate(known):
            if o.kind == READ and o.value is not ABSENT:
                self.readers[o.value] = self.readers.get(o.value, 0) | 1 << i
            if o.kind == WRITE:
                self.writers[o.value] = self.writers.get(o.value, 0) | 1 << i
        self.concerned = set(self.readers) | {o.value for o in known + unknown if o.kind == ERASE}
        for i, o in enumerate(unknown):
            if o.kind == WRITE:
                self.maybe_writers[o.value] = self.maybe_writers.get(o.value, 0) | 1 << i

    def run(self, initial):
        seen, visited = {}, 0
        stack = [(0, 0, initial, 0)]
        best, stuck = -1, None
        while stack:
            done, low, state, used = stack.pop()
            done, low, open_, until = self.settle(done, low, state)
            if done == self.all:
                return None
            ways_here = seen.setdefault((done, state), [])
            if any(not other & ~used for other in ways_here):
                continue
            ways_here.append(used)
            visited += 1
            if visited > self.limit:
                raise Undecided(f"{len(self.known)} operations, {len(self.unknown)} of unknown outcome")
            if (placed := done.bit_count()) > best:
                best, stuck = placed, (state, open_, used)
            steps = []
            for i in open_:
                for after, taken in self.ways(self.known[i], state, used, until):
                    then = done | 1 << i
                    if after == state or not self.still_needed(state, then, taken):
                        steps.append((then, low, after, taken))
            # What uses up least is tried first, and of that what has to end first.
            steps.sort(key=lambda step: step[3].bit_count())
            stack.extend(reversed(steps))
        return self.report(best, *stuck)

    def settle(self, done, low, state):
        """Places every open read that the state answers. Also: which operations are open, and until when."""
        known = self.known
        while True:
            while low < len(known) and done >> low & 1:
                low += 1
            until, open_, i = float("inf"), [], low
            while i < len(known) and known[i].start <= until:
                if not done >> i & 1:
                    open_.append(i)
                    until = min(until, known[i].end)
                i += 1
            open_ = [i for i in open_ if known[i].start <= until]
            answered = [
                i for i in open_
                if known[i].kind == READ and known[i].value == state
                or known[i].kind == PRESENT and state is not ABSENT
            ]
            if not answered:
                open_.sort(key=lambda i: known[i].end)
                return done, low, open_, until
            for i in answered:
                done |= 1 << i

    def ways(self, op, state, used, until):
        """Each way to place it now: the state after it, and the unknown operations used up so far."""
        if op.kind == WRITE:
            return [(op.value, used)]
        if op.kind == ERASE:
            return [(ABSENT if state == op.value else state, used)]
        if op.kind == REMOVE and state is not ABSENT:
            return [(ABSENT, used)]
        free = [(i, self.unknown[i]) for i in self.free(used, until)]
        writes = [(i, o) for i, o in free if o.kind == WRITE]
        if op.kind == REMOVE:
            # Something of unknown outcome was there. What nobody reads or erases is as good as another of its kind.
            plain = [i for i, o in writes if o.value not in self.concerned][:1]
            return [(ABSENT, used | 1 << i) for i in plain + [i for i, o in writes if o.value in self.concerned]]
        if op.kind == PRESENT:
            return [(o.value, used | 1 << i) for i, o in writes]
        if op.value is not ABSENT:
            return [(op.value, used | 1 << i) for i, o in writes if o.value == op.value][:1]
        found = [1 << i for i, o in free if o.kind == ERASE and o.value == state][:1]
        if not found or self.may_return(state, until):
            found += [1 << i for i, o in free if o.kind == REMOVE][:1]
            # Or a write came after what stands, and the value was erased.
            found += [1 << i | 1 << j for i, o in writes for j, e in free if e.kind == ERASE and e.value == o.value]
        return [(ABSENT, used | taken) for taken in found]

    def may_return(self, value, until):
        """Whether an operation that has not ended yet could write the value again."""
        return value in self.maybe_writers or any(
            o.kind == WRITE and o.value == value and o.end >= until for o in self.known
        )

    def free(self, used, until):
        """Unknown operations that have begun and are not used up, the oldest first."""
        for i, o in enumerate(self.unknown):
            if o.start > until:
                return
            if not used >> i & 1:
                yield i

    def still_needed(self, value, done, used):
        """Whether somebody has to read the value yet, and nobody can write it again."""
        return bool(
            self.readers.get(value, 0) & ~done
            and not self.writers.get(value, 0) & ~done
            and not self.maybe_writers.get(value, 0) & ~used
        )

    def report(self, placed, state, open_, used):
        lines = [f"{placed} of {len(self.known)} operations can be placed; then the register holds "
                 f"{'nothing' if state is ABSENT else state}, and none of these fits:"]
        lines += [f"  {self.known[i]}" for i in open_[:8]]
        # What else was said about the values concerned.
        values = {self.known[i].value for i in open_[:8]} | {state}
        values.discard(ABSENT)
        begin = min(self.known[i].start for i in open_)
        near = [o for o in self.known if abs(o.start - begin) < 5 and o.kind not in (READ, PRESENT) or
                o.value in values and o.kind != READ]
        lines.append("writes and deletes about that time, and of those values:")
        lines += [f"  {o}" for o in near[:40]]
        left = [o for i, o in enumerate(self.unknown) if not used >> i & 1 and (o.value in values or o.kind == REMOVE)]
        lines += [f"  {o}" for o in left[-20:]]
        return "\n".join(lines)
