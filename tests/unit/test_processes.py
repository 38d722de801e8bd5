"""Which process we are, and whether another one of this machine is gone."""

import subprocess
import sys
from dataclasses import replace

from orchestrator.adapters.processes import LocalProcesses, session_name

PROCESSES = LocalProcesses()


def test_we_are_not_gone() -> None:
    ours = PROCESSES.ours()
    assert ours.host
    assert ours.machine
    assert ours == PROCESSES.ours()
    assert not PROCESSES.is_gone(ours)


def test_a_process_that_has_ended_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert PROCESSES.is_gone(replace(PROCESSES.ours(), pid=ended.pid))


def test_a_process_whose_id_is_somebody_elses_now_is_gone() -> None:
    assert PROCESSES.is_gone(replace(PROCESSES.ours(), started="1"))


def test_nobody_knows_about_processes_of_other_machines_or_without_a_number() -> None:
    ours = replace(PROCESSES.ours(), started="1")
    assert not PROCESSES.is_gone(replace(ours, machine="another"))
    assert not PROCESSES.is_gone(replace(ours, machine=""))
    assert not PROCESSES.is_gone(replace(ours, pid=0))
    assert not PROCESSES.is_gone(replace(ours, pid=-1))


def test_a_process_whose_beginning_is_not_known_is_not_taken_for_gone_while_its_number_is_in_use() -> None:
    assert not PROCESSES.is_gone(replace(PROCESSES.ours(), started=""))


def test_no_nonce_is_given_twice() -> None:
    assert len({PROCESSES.nonce() for _ in range(100)}) == 100


def test_a_role_is_taken_on_by_the_name_of_who_works_where_or_by_the_one_that_was_given() -> None:
    assert session_name({"AWS_ROLE_SESSION_NAME": "release 7/ada"}) == "release-7-ada"
    assert session_name({"AWS_ROLE_SESSION_NAME": "x"}) == "x-"
    assert "@" in session_name({})
    assert len(session_name({"AWS_ROLE_SESSION_NAME": "a" * 100})) == 64
