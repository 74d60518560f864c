"""Who is chief, who may be reached, and who gets which part of a machine."""

from __future__ import annotations

import re
import warnings

import pytest

from keras_ext.errors import ConfigError
from keras_ext.tuning import sweep
from keras_ext.tuning.roles import role_of
from keras_ext.tuning.shares import devices, shares
from tests.tuning.black_box import BASE, BlackBox, space

pytestmark = pytest.mark.tensorflow

CHIEF = {
    "KERASTUNER_TUNER_ID": "chief",
    "KERASTUNER_ORACLE_IP": "127.0.0.1",
    "KERASTUNER_ORACLE_PORT": "5000",
}


def test_without_variables_there_is_no_role():
    assert role_of({}, workers=3, insecure=False) is None
    assert role_of({"KERASTUNER_ORACLE_IP": ""}, workers=1, insecure=False) is None


def test_an_id_with_chief_in_it_is_the_chief_as_for_keras_tuner():
    names = ("chief", "my-chief-0", "worker-1")
    roles = [role_of({**CHIEF, "KERASTUNER_TUNER_ID": n}, workers=1, insecure=False) for n in names]
    assert [role.chief for role in roles] == [True, True, False]
    assert roles[0].address == "127.0.0.1:5000"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "::1"])
def test_this_machine_needs_no_flag(host):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert role_of({**CHIEF, "KERASTUNER_ORACLE_IP": host}, workers=1, insecure=False)


@pytest.mark.parametrize("host", ["10.0.0.7", "0.0.0.0", "::", "sweep-chief", "fe80::1"])
def test_another_address_needs_the_flag_and_is_warned_of(host):
    environ = {**CHIEF, "KERASTUNER_ORACLE_IP": host}
    with pytest.raises(ConfigError, match=r"no authentication.*insecure_network=True"):
        role_of(environ, workers=1, insecure=False)
    with pytest.warns(UserWarning, match=re.escape(f"{host}")) as caught:
        assert role_of(environ, workers=1, insecure=True).host == host
    assert "no authentication and no encryption" in str(caught[0].message)


@pytest.mark.parametrize(
    ("changes", "workers", "insecure", "said"),
    [
        ({"KERASTUNER_ORACLE_PORT": ""}, 1, False, "KERASTUNER_ORACLE_PORT must be set"),
        ({"KERASTUNER_ORACLE_PORT": "high"}, 1, False, "from 1 to 65535, got 'high'"),
        ({"KERASTUNER_ORACLE_PORT": "70000"}, 1, False, "from 1 to 65535, got '70000'"),
        ({}, 2, False, "got workers=2"),
        (dict.fromkeys(CHIEF, ""), 1, True, "insecure_network is for a sweep over several hosts"),
    ],
)
def test_what_does_not_fit_is_named(changes, workers, insecure, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        role_of({**CHIEF, **changes}, workers=workers, insecure=insecure)


def test_the_sweep_refuses_before_it_makes_anything(tmp_path, monkeypatch):
    for name, value in {**CHIEF, "KERASTUNER_ORACLE_IP": "192.0.2.1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"KERASTUNER_ORACLE_IP=192.0.2.1 can be reached"):
        sweep(BASE, space, max_trials=2, directory=tmp_path / "folder", trainer=BlackBox())
    assert not (tmp_path / "folder").exists()


def test_cores_are_divided_and_each_worker_sees_one_gpu():
    found = shares(3, cores=8, devices=["0", "GPU-1", "5"])
    assert [item["CUDA_VISIBLE_DEVICES"] for item in found] == ["0", "GPU-1", "5"]
    assert {item["TF_NUM_INTRAOP_THREADS"] for item in found} == {"2"}
    assert "TF_FORCE_GPU_ALLOW_GROWTH" not in found[0]


def test_more_workers_than_gpus_share_them_without_taking_all_memory():
    found = shares(3, cores=2, devices=["0", "1"])
    assert [item["CUDA_VISIBLE_DEVICES"] for item in found] == ["0", "1", "0"]
    assert {item["TF_FORCE_GPU_ALLOW_GROWTH"] for item in found} == {"true"}
    assert {item["OMP_NUM_THREADS"] for item in found} == {"1"}


def test_without_gpus_none_is_named():
    assert all("CUDA_VISIBLE_DEVICES" not in item for item in shares(2, cores=4, devices=[]))


def test_gpus_are_those_that_are_visible_or_those_of_the_machine(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert devices({}, tmp_path) == ("0", "1")
    assert devices({"CUDA_VISIBLE_DEVICES": "3, 1"}, tmp_path) == ("3", "1")
    assert devices({"CUDA_VISIBLE_DEVICES": "2,-1,0"}, tmp_path) == ("2",)
    assert devices({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == ()
