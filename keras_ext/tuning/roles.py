"""Sweeps over several hosts: which part a process plays, and what address it may use."""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from keras_ext.errors import ConfigError

IP, PORT, NAME = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Role:
    """The part of one process.

    Args:
        name: KerasTuner takes one that contains "chief" for the chief.
        host: where the chief listens; a name, or an address of IPv4 or IPv6.
        port: of the host.
    """

    name: str
    host: str
    port: int

    @property
    def chief(self) -> bool:
        """Whether it has the oracle; the others train."""
        return "chief" in self.name

    @property
    def address(self) -> str:
        """Host and port as gRPC takes them."""
        return address(self.host, self.port)


def role_of(environ: Mapping[str, str], *, workers: int, insecure: bool) -> Role | None:
    """The part that KerasTuner's environment variables give this process; None without them.

    Args:
        environ: the environment variables.
        workers: as given to ``sweep``.
        insecure: whether an address other than this machine's own may be used.

    Raises:
        ConfigError: for a variable that is missing or no port, an address that wasn't allowed, or
            workers beside a role.

    Warns:
        UserWarning: where the address can be reached from other machines.
    """
    present = [name for name in (IP, PORT, NAME) if environ.get(name)]
    if not present:
        if insecure:
            raise ConfigError(
                f"insecure_network is for a sweep over several hosts: set {IP}, {PORT} and {NAME}, "
                "see docs/distributed.md"
            )
        return None
    missing = [name for name in (IP, PORT, NAME) if name not in present]
    if missing:
        raise ConfigError(f"{present[0]} is set, so {' and '.join(missing)} must be set, too")
    if workers > 1:
        raise ConfigError(
            f"with {NAME} each process is one worker or the chief, got workers={workers}: leave "
            f"it out, or unset {NAME}, {IP} and {PORT} for workers on this machine alone"
        )
    if not (environ[PORT].isdecimal() and 0 < int(environ[PORT]) < 65536):
        raise ConfigError(f"{PORT} must be from 1 to 65535, got {environ[PORT]!r}")
    found = Role(environ[NAME], environ[IP], int(environ[PORT]))
    if not loopback(found.host):
        _refuse_or_warn(found, insecure)
    return found


def _refuse_or_warn(role: Role, insecure: bool) -> None:
    danger = (
        "KerasTuner's protocol has no authentication and no encryption: whoever reaches "
        f"{role.address} can read and change the sweep"
    )
    if not insecure:
        raise ConfigError(
            f"{IP}={role.host} can be reached from other machines. {danger}. In a network that you "
            "trust, allow it with insecure_network=True (--insecure-network)"
        )
    warnings.warn(danger, stacklevel=4)


def loopback(host: str) -> bool:
    """Whether only this machine reaches it.

    >>> loopback("127.0.0.1"), loopback("::1"), loopback("localhost"), loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(host: str, port: int) -> str:
    """Host and port as gRPC takes them.

    >>> address("10.0.0.1", 5000), address("::1", 5000)
    ('10.0.0.1:5000', '[::1]:5000')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
