"""Writes a certificate for 127.0.0.1, the keys of two service apps and the description of the org."""

import datetime
import ipaddress
import json
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwk

work = Path(sys.argv[1])


def certificate() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simulated org")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (work / "cert.pem").write_bytes(built.public_bytes(pem))
    (work / "cert.key").write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def app(name: str, dpop: bool) -> dict:
    key = jwk.JWK.generate(kty="RSA", size=2048, kid=name, use="sig", alg="RS256")
    (work / f"{name}.pem").write_bytes(key.export_to_pem(private_key=True, password=None))
    return {
        "client_id": f"0oa{name}",
        "keys": [key.export_public(as_dict=True)],
        "dpop": dpop,
    }


certificate()
orgs = [
    {
        "name": "acme",
        "events": "events.ndjson",
        "org": {
            "tokens": ["00sdk"],
            "apps": [app("oauth", False), app("dpop", True)],
            # Pages of 10: a walk takes 7 requests, more than a window grants.
            "limits": {"org": 100, "token": 4},
            "windows": {"seconds": 3},
        },
    }
]
(work / "orgs.json").write_text(json.dumps(orgs))
