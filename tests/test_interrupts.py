"""Ctrl-C of the user and of a plugin, and Ctrl-C that waits."""

from __future__ import annotations

import os
import signal

import pytest

from invbench.errors import SolverError
from invbench.guard import contained
from invbench.interrupts import deferred_interrupts, noted_interrupts, pressed


def test_an_interrupt_of_a_plugin_is_distinguished_from_one_of_the_user() -> None:
    with noted_interrupts():
        assert not pressed()
        with pytest.raises(SolverError, match="raised KeyboardInterrupt"), contained("solver x"):
            raise KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt), contained("solver x"):
            os.kill(os.getpid(), signal.SIGINT)
        assert pressed()
    with pytest.raises(KeyboardInterrupt), contained("solver x"):
        raise KeyboardInterrupt  # where nothing is noted, it is the user's


def test_what_is_deferred_is_noted_and_a_second_one_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with deferred_interrupts() as caught:
        os.kill(os.getpid(), signal.SIGTERM)
        assert caught == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
