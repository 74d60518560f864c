"""The same command on several hosts: a chief and workers that only have its address."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keras_ext.tuning.roles import IP, NAME, PORT
from recipes.sweep import DATA
from recipes.sweep_options import parser
from tests.tuning.many import TRIALS, finished, of, started, until

pytestmark = pytest.mark.tensorflow

PAGE = (Path(__file__).parents[2] / "docs" / "distributed.md").read_text(encoding="utf-8")


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def host(folder: Path, name: str, port: str, *, address: str = "127.0.0.1", **options: Any) -> Any:
    """One process of a sweep over several hosts."""
    variables = {NAME: name, IP: address, PORT: port}
    return started(folder, workers=1, **options, **variables)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Of a sweep whose processes are gone in the end."""
    yield tmp_path / "sweep"
    for number in of(tmp_path):
        os.kill(number, signal.SIGKILL)


@pytest.mark.slow
def test_a_lost_worker_costs_no_trial_and_a_lost_chief_ends_its_workers(folder):
    port = free_port()
    chief, worker, other = (host(folder, name, port) for name in ("chief", "w-1", "w-2"))
    until(lambda: finished(folder) >= 2)
    chief.kill()
    chief.communicate()
    for process in (worker, other):
        said, _ = process.communicate(timeout=60)
        assert process.returncode != 0
        assert f"the chief at 127.0.0.1:{port} is gone" in said
    assert of(folder) == []
    before = finished(folder)
    assert before < TRIALS

    chief, worker, other = (host(folder, name, port) for name in ("chief", "w-1", "w-2"))
    until(lambda: finished(folder) > before)
    other.kill()
    other.communicate()
    said, _ = chief.communicate(timeout=300)
    assert (chief.returncode, said.splitlines()[-1]) == (0, f"completed {TRIALS}")
    said, _ = worker.communicate(timeout=60)
    # A worker has no result: its process ends inside the call.
    assert (worker.returncode, said.count("completed")) == (0, 0)
    assert finished(folder) == TRIALS
    assert of(folder) == []


@pytest.fixture
def namespaces() -> Iterator[tuple[list[str], list[str]]]:
    """Two hosts on one wire: how to start a program on either."""
    ends = [f"kx{os.getpid()}{end}" for end in "ab"]
    commands = [
        *(f"ip netns add {end}" for end in ends),
        f"ip link add {ends[0]} type veth peer name {ends[1]}",
        *(f"ip link set {end} netns {end}" for end in ends),
        *(f"ip -n {end} addr add 10.213.77.{n}/24 dev {end}" for n, end in enumerate(ends, 1)),
        *(f"ip -n {end} link set {end} up" for end in ends),
    ]
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need the program ip")
    try:
        for command in commands:
            made = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            if made.returncode != 0:
                pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
        yield tuple(["ip", "netns", "exec", end] for end in ends)  # type: ignore[misc]
    finally:
        for end in ends:
            subprocess.run(["ip", "netns", "del", end], capture_output=True, check=False)


@pytest.mark.slow
def test_two_hosts_share_a_sweep(folder, namespaces):
    port = free_port()
    chief = host(folder, "chief", port, address="10.213.77.1", prefix=namespaces[0], together=1)
    worker = host(folder, "far", port, address="10.213.77.1", prefix=namespaces[1], together=1)
    said, _ = chief.communicate(timeout=300)
    assert "no authentication and no encryption: whoever reaches 10.213.77.1" in said
    assert (chief.returncode, said.splitlines()[-1]) == (0, f"completed {TRIALS}")
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert of(folder) == []


def test_the_page_names_the_variables_and_options_that_there_are():
    for name in (NAME, IP, PORT):
        assert f"`{name}`" in PAGE
    options = parser("", DATA)
    lines = re.findall(r"python -m recipes\.sweep (.*)", PAGE)
    lines.append(" ".join(re.findall(r"recipes\.sweep, (.*)\]", PAGE)[0].split(", ")))
    assert len(lines) == 3
    for line in lines:
        given = options.parse_args(line.replace('"', "").split())
        assert given.data == "mnist"
    assert "insecure_network=True" in PAGE


def test_the_slurm_script_is_one():
    (script,) = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", PAGE, flags=re.DOTALL)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    variables = {"SLURM_JOB_ID": "123456", "PATH": os.environ["PATH"], "HOME": "/home/me"}
    for number, name, address in (("0", "chief", "0.0.0.0"), ("2", "worker-2", "node-1")):
        # What stands for Slurm's programs and for ours.
        stub = (
            "scontrol() { printf 'node-1\\nnode-2\\n'; }\n"
            'srun() { shift; "$@"; }\n'
            "python() { env | grep ^KERASTUNER_; }\n"
            f"export -f python; export SLURM_PROCID={number}\n"
        )
        made = subprocess.run(
            ["bash"], input=stub + script, text=True, env=variables, capture_output=True, check=True
        )
        assert sorted(made.stdout.split()) == sorted(
            [f"{NAME}={name}", f"{IP}={address}", f"{PORT}=23456"]
        )


def test_the_kubernetes_example_is_yaml_and_its_parts_fit():
    yaml = pytest.importorskip("yaml")
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    parts = {(p["kind"], p["metadata"]["name"]): p for p in yaml.safe_load_all(text)}
    assert len(parts) == 4
    service = parts["Service", "sweep-chief"]
    for name in ("sweep-chief", "sweep-worker"):
        pod = parts["Job", name]["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        values = {item["name"]: item.get("value") for item in container["env"]}
        assert values[PORT] == str(service["spec"]["ports"][0]["port"])
        chief = name == "sweep-chief"
        assert (values[NAME], values[IP]) == (
            ("chief", "0.0.0.0") if chief else (None, service["metadata"]["name"])
        )
        assert (service["spec"]["selector"] == pod["metadata"]["labels"]) == chief
