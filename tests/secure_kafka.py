"""A broker that asks for TLS and a password, as a hosted Kafka does: certificate, users, listener."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.native import locations
from infra.native.ports import free_ports

USER, PASSWORD = "observatory", "correct horse"
_STORE_PASSWORD = "test-store"  # of a key that lives as long as the test


@dataclass(frozen=True)
class SecureListener:
    """Where the broker listens with SASL over TLS, and the certificate that it shows."""

    address: str
    certificate: Path

    def settings(self, password: str = PASSWORD) -> dict[str, str]:
        """The environment of a client."""
        return {
            "OBSERVATORY_KAFKA": self.address,
            "OBSERVATORY_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "OBSERVATORY_KAFKA_SASL_MECHANISM": "PLAIN",
            "OBSERVATORY_KAFKA_SASL_USERNAME": USER,
            "OBSERVATORY_KAFKA_SASL_PASSWORD": password,
            "OBSERVATORY_KAFKA_SSL_CAFILE": str(self.certificate),
        }


def add_secure_listener(kafka_folder: Path) -> SecureListener:
    """Adds the listener to the settings of a broker that has not been started yet."""
    store, certificate = kafka_folder / "broker.p12", kafka_folder / "broker.pem"
    of_store = ("-keystore", str(store), "-storepass", _STORE_PASSWORD, "-alias", "broker")
    subject = ("-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1", "-ext", "BasicConstraints=ca:true")
    _keytool("-genkeypair", *of_store, "-keyalg", "EC", "-storetype", "PKCS12", "-validity", "2", *subject)
    _keytool("-exportcert", "-rfc", *of_store, "-file", str(certificate))
    certificate.chmod(0o644)
    (port,) = free_ports(1)
    properties = kafka_folder / "server.properties"
    listeners = next(line for line in properties.read_text().splitlines() if line.startswith("listeners="))
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    values = {
        "listeners": f"{listeners.partition('=')[2]},SASL_SSL://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
        "listener.name.sasl_ssl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{login} user_{USER}="{PASSWORD}";',
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": _STORE_PASSWORD,
    }
    with properties.open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    return SecureListener(f"127.0.0.1:{port}", certificate)


def _keytool(*arguments: str) -> None:
    java = locations.java()
    assert java is not None
    subprocess.run([java.resolve().parent / "keytool", *arguments], check=True, capture_output=True, timeout=60)
