from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.engine.machine import WorkPlan, available_cores, cpu_model, gpu_models, plan_work

some = st.none() | st.integers(1, 64)


@given(cores=st.integers(1, 256), threads=some, workers=some)
def test_the_cores_are_shared_out_and_wishes_kept(
    cores: int, threads: int | None, workers: int | None
) -> None:
    plan = plan_work("cpu", threads=threads, workers=workers, cores=cores)

    assert plan.workers >= 1
    assert plan.threads >= 1
    assert threads in (None, plan.threads)
    assert workers in (None, plan.workers)
    if threads is None or workers is None:
        wished = max(threads or 1, workers or 1)
        assert plan.workers * plan.threads <= max(cores, wished)


@pytest.mark.parametrize(
    ("cores", "plan"),
    [
        (1, WorkPlan(1, 1)),
        (2, WorkPlan(2, 1)),
        (4, WorkPlan(4, 1)),
        (8, WorkPlan(4, 2)),
        (64, WorkPlan(4, 16)),
    ],
)
def test_plans_for_processors(cores: int, plan: WorkPlan) -> None:
    assert plan_work("cpu", cores=cores) == plan


def test_a_gpu_gets_five_workers_whatever_the_cores() -> None:
    assert plan_work("gpu", cores=1).workers == 5
    assert plan_work("gpu", cores=64).workers == 5
    assert plan_work("gpu", workers=2).workers == 2
    assert plan_work("gpu").rows == 2
    assert plan_work("gpu", rows=3).rows == 3


def test_this_machine_can_be_told() -> None:
    assert available_cores() >= 1
    assert cpu_model()


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (
            "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"
            "flags\t\t: fpu avx avx2\n\nprocessor\t: 1\nmodel name\t: another\n",
            "AMD EPYC (family 25, model 1, AVX2)",
        ),
        (
            "model name\t: AMD EPYC\nflags\t: avx2 avx512f avx512_bf16\n",
            "AMD EPYC (AVX-512 with bfloat16)",
        ),
        ("model name\t: Any\n", "Any"),
    ],
)
def test_processors_of_one_name_are_told_apart(tmp_path: Path, told: str, name: str) -> None:
    (tmp_path / "cpuinfo").write_text(told)
    assert cpu_model(tmp_path / "cpuinfo") == name


@pytest.mark.parametrize("told", [None, "BogoMIPS : 50.00\nFeatures : fp asimd\n"])
def test_a_processor_without_a_name_is_of_some_kind(tmp_path: Path, told: str | None) -> None:
    if told is not None:
        (tmp_path / "cpuinfo").write_text(told)
    assert cpu_model(tmp_path / "cpuinfo")


def test_the_driver_names_its_gpus(tmp_path: Path) -> None:
    for bus, model in (("0000:1b:00.0", "NVIDIA H200"), ("0000:0a:00.0", "NVIDIA L4")):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 42\n")
    assert gpu_models(tmp_path) == ["NVIDIA L4", "NVIDIA H200"]
    assert gpu_models(tmp_path / "none") == []
