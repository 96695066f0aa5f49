#!/usr/bin/env python3
"""The checker of histories: what it must accept, what it must reject, and that it agrees with trying every order."""
import itertools
import random
import sys
import unittest

from history import ABSENT, ERASE, PRESENT, READ, REMOVE, WRITE, Operation, explain


def write(value, start, end=None):
    return Operation(WRITE, value, start, end)


def remove(start, end=None):
    return Operation(REMOVE, ABSENT, start, end)


def erase(value, start, end=None):
    return Operation(ERASE, value, start, end)


def read(value, start, end):
    return Operation(READ, value, start, end)


def present(start, end):
    return Operation(PRESENT, ABSENT, start, end)


class Accepted(unittest.TestCase):
    def check(self, *history):
        self.assertIsNone(explain(history))

    def test_nothing_at_all(self):
        self.check()

    def test_one_after_the_other(self):
        self.check(read(ABSENT, 0, 1), write("a", 2, 3), read("a", 4, 5), write("b", 6, 7), read("b", 8, 9),
                   remove(10, 11), read(ABSENT, 12, 13))

    def test_a_read_beside_a_write_sees_either(self):
        self.check(write("a", 0, 1), write("b", 2, 9), read("a", 3, 4), read("b", 5, 6), read("b", 7, 8))

    def test_two_writes_at_a_time_stand_in_either_order(self):
        self.check(write("a", 0, 5), write("b", 0, 5), read("a", 6, 7))
        self.check(write("a", 0, 5), write("b", 0, 5), read("b", 6, 7))

    def test_a_write_of_unknown_outcome_may_have_happened(self):
        self.check(write("a", 0), read("a", 5, 6))

    def test_a_write_of_unknown_outcome_may_never_happen(self):
        self.check(write("a", 0), read(ABSENT, 5, 6))

    def test_a_write_of_unknown_outcome_may_come_late(self):
        self.check(write("a", 0), write("b", 1, 2), read("b", 3, 4), read("a", 5, 6), read("a", 7, 8))

    def test_a_delete_of_unknown_outcome_may_come_late(self):
        self.check(write("a", 0, 1), remove(2), read("a", 3, 4), write("b", 5, 6), read("b", 7, 8), read(ABSENT, 9, 10))

    def test_what_a_delete_removed_may_be_of_unknown_outcome(self):
        self.check(write("a", 0), remove(5, 6), read(ABSENT, 7, 8))

    def test_deleting_a_manifest_takes_its_tag_along(self):
        self.check(write("a", 0, 1), erase("a", 2, 3), read(ABSENT, 4, 5))

    def test_deleting_a_manifest_leaves_a_tag_that_moved_on(self):
        self.check(write("a", 0, 1), write("b", 2, 5), erase("a", 3, 6), read("b", 7, 8))

    def test_deleting_a_manifest_with_unknown_outcome_may_come_late(self):
        self.check(write("a", 0, 1), erase("a", 2), read("a", 3, 4), read(ABSENT, 5, 6))

    def test_a_tag_in_a_list_may_be_of_unknown_outcome(self):
        self.check(write("a", 0), read(ABSENT, 1, 2), present(3, 4), read("a", 5, 6))

    def test_long_histories_with_many_unknown_outcomes_are_quick(self):
        random.seed(1)
        self.check(*simulate(random, 3000, 12))


class Rejected(unittest.TestCase):
    def check(self, *history):
        self.assertIsNotNone(explain(history))

    def test_a_stale_read_after_an_overwrite_was_acknowledged(self):
        self.check(write("a", 0, 1), write("b", 2, 3), read("a", 4, 5))

    def test_a_deleted_tag_that_comes_back(self):
        self.check(write("a", 0, 1), remove(2, 3), read(ABSENT, 4, 5), read("a", 6, 7))

    def test_a_deleted_tag_that_never_went(self):
        self.check(write("a", 0, 1), remove(2, 3), read("a", 4, 5))

    def test_a_deleted_manifest_that_comes_back(self):
        self.check(write("a", 0, 1), erase("a", 2, 3), read("a", 4, 5))

    def test_a_lost_update(self):
        self.check(write("a", 0, 1), read(ABSENT, 2, 3))
        self.check(write("a", 0, 1), write("b", 2, 3), read(ABSENT, 4, 5))

    def test_an_update_lost_to_the_delete_of_what_it_replaced(self):
        self.check(write("a", 0, 1), write("b", 2, 5), erase("a", 3, 6), read(ABSENT, 7, 8))

    def test_a_value_that_was_refused(self):
        self.check(write("a", 0, 1), read("refused", 2, 3))

    def test_a_value_from_the_future(self):
        self.check(read("a", 0, 1), write("a", 2, 3))
        self.check(read("a", 0, 1), write("a", 2))

    def test_two_readers_who_see_two_writes_in_two_orders(self):
        self.check(write("a", 0, 9), write("b", 0, 9), read("a", 1, 2), read("b", 3, 4), read("a", 5, 6))

    def test_a_write_of_unknown_outcome_that_happens_twice(self):
        self.check(write("a", 0), write("b", 1, 2), read("a", 3, 4), write("c", 5, 6), read("c", 7, 8), read("a", 9, 10))

    def test_a_delete_of_unknown_outcome_that_happens_twice(self):
        self.check(write("a", 0, 1), remove(2), read(ABSENT, 3, 4), write("b", 5, 6), read(ABSENT, 7, 8))

    def test_a_delete_that_removed_what_was_not_there(self):
        self.check(remove(0, 1))

    def test_two_deletes_that_removed_one_value(self):
        self.check(write("a", 0, 1), remove(2, 5), remove(3, 6))

    def test_a_list_that_shows_what_was_deleted(self):
        self.check(write("a", 0, 1), remove(2, 3), present(4, 5))

    def test_a_list_that_lacks_what_stands(self):
        self.check(write("a", 0, 1), present(2, 3), read(ABSENT, 4, 5))

    def test_one_lie_in_a_long_history(self):
        random.seed(2)
        for _ in range(20):
            history = simulate(random, 400, 8)
            end = max(o.end or o.start for o in history)
            self.check(*history, write("z", end + 1, end + 2), read("z", end + 3, end + 4), read("0", end + 5, end + 6))


class Agreement(unittest.TestCase):
    def test_with_trying_every_order(self):
        random.seed(3)
        verdicts = {True: 0, False: 0}
        for _ in range(6000):
            history = random_history(random)
            accepted = explain(history) is None
            self.assertEqual(accepted, try_every_order(history), "\n" + "\n".join(map(str, history)))
            verdicts[accepted] += 1
        # Neither verdict is a rarity.
        self.assertGreater(min(verdicts.values()), 1000, verdicts)


def apply(op, state):
    """The state after it, or `impossible`."""
    if op.kind == WRITE:
        return op.value
    if op.kind == ERASE:
        return ABSENT if state == op.value else state
    if op.kind == REMOVE:
        return impossible if op.end is not None and state is ABSENT else ABSENT
    if op.kind == READ:
        return state if state == op.value else impossible
    return state if state is not ABSENT else impossible


impossible = object()


def try_every_order(history):
    """The definition itself, for histories of a few operations."""
    maybe = [o for o in history if o.end is None]
    sure = [o for o in history if o.end is not None]
    for some in itertools.chain.from_iterable(itertools.combinations(maybe, n) for n in range(len(maybe) + 1)):
        for order in itertools.permutations([*sure, *some]):
            in_time = all(b.end is None or a.start <= b.end for a, b in itertools.combinations(order, 2))
            if not in_time:
                continue
            state = ABSENT
            for op in order:
                state = apply(op, state)
                if state is impossible:
                    break
            else:
                return True
    return False


def random_history(rng):
    """A few operations of any kind and time, whether they make sense or not."""
    history = []
    for _ in range(rng.randint(1, 6)):
        kind = rng.choice([WRITE, WRITE, REMOVE, ERASE, READ, READ, PRESENT])
        start = rng.randint(0, 12)
        end = start + rng.randint(1, 6)
        value = rng.choice("ab")
        if kind in (WRITE, REMOVE, ERASE) and rng.random() < 0.3:
            end = None
        if kind == REMOVE or kind == PRESENT or kind == READ and rng.random() < 0.4:
            value = ABSENT
        # Half steps: no two moments are the same, so that "before" has one meaning.
        history.append(Operation(kind, value, start + rng.random() / 2, end and end + rng.random() / 2))
    return history


def simulate(rng, operations, clients):
    """What a register answers to clients that call at once, some of which never hear an answer."""
    moments, state, history = [], ABSENT, []
    free_at = [0.0] * clients
    for n in range(operations):
        client = rng.randrange(clients)
        start = free_at[client] + rng.random()
        effect = start + rng.random()
        end = effect + rng.random()
        free_at[client] = end
        fate = rng.random()
        if fate < 0.1:
            end, effect = None, start + rng.random() * 50
        elif fate < 0.15:
            end, effect = None, None
        if effect is not None:
            moments.append((effect, n))
        history.append((rng.choice([WRITE, WRITE, READ, READ, READ, READ, REMOVE, ERASE, PRESENT]), start, end))
    answers, written = {}, ["0"]
    for _, n in sorted(moments):
        kind, start, end = history[n]
        if kind == WRITE:
            state = str(n)
            written.append(state)
            answers[n] = (WRITE, state)
        elif kind == ERASE:
            value = rng.choice(written[-3:])
            answers[n] = (ERASE, value)
            state = ABSENT if state == value else state
        elif kind == REMOVE:
            # Of nothing: 404, which is a read.
            answers[n] = (READ if state is ABSENT and end is not None else REMOVE, ABSENT)
            state = ABSENT
        elif kind == PRESENT and state is not ABSENT:
            answers[n] = (PRESENT, ABSENT)
        else:
            answers[n] = (READ, state)
    result = [Operation(*answers[n], history[n][1], history[n][2]) for n in answers]
    result += [Operation(WRITE, str(n), h[1], None) for n, h in enumerate(history) if n not in answers and h[0] == WRITE]
    return result


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(bad > 0)
