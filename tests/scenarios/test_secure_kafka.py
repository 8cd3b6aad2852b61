"""Every program over a Kafka with TLS and SASL, as a hosted one is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from infra.native.stack import KAFKA, StackSpec
from tests.scenarios.programs import observatory, running_programs
from tests.secure_kafka import SecureListener, add_secure_listener
from tests.stack import LiveStack, live_stack

Secure = tuple[LiveStack, SecureListener]


@pytest.fixture(scope="module")
def secure() -> Iterator[Secure]:
    listeners: list[SecureListener] = []

    def change(spec: StackSpec) -> None:
        listeners.append(add_secure_listener(spec.data_dir / KAFKA))

    with live_stack("secure-test", change) as live:
        yield live, listeners[0]


@pytest.mark.timeout(240)
def test_a_demo_over_tls_and_sasl_is_in_the_books(secure: Secure) -> None:
    live, listener = secure
    with running_programs(live, **listener.settings()) as environment:
        observatory(environment, "demo")
        proof = json.loads(observatory(environment, "verify", "--wait", "30s", "--json").stdout)
        assert proof["ok"], proof
        assert proof["legs"]["facts"]["calls"] >= 200
        wrong = environment | listener.settings(password="wrong")
        refused = observatory(wrong, "publish", "Hello", check=False)
    assert refused.returncode == 1
    assert "refuses us" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
