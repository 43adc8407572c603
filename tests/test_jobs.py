"""Job, Health: every answer is read, or refused with ProtocolError, and nothing else happens."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.errors import JobCancelledError, JobFailedError, JobTimedOutError, ProtocolError
from runpodkit.jobs import JOB_ID, Health, ImageRef, Job, JobStatus

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def wire(**fields: object) -> Job:
    return Job.from_wire({"id": "abc-1", "status": "FAILED", **fields})


def test_a_finished_job_is_read_in_seconds():
    answer = (
        b'{"delayTime": 824, "executionTime": 3391, "id": "sync-79164ff4-d212", "output": {"image": "x"}, '
        b'"status": "COMPLETED", "workerId": "w1", "retries": 2, "unheard": [1]}'
    )

    assert Job.from_wire(answer) == Job(
        id="sync-79164ff4-d212",
        status=JobStatus.COMPLETED,
        output={"image": "x"},
        queue_delay_s=0.824,
        execution_time_s=3.391,
        worker_id="w1",
        retries=2,
        wire_status="COMPLETED",
    )


def test_text_bytes_and_mappings_are_read_alike():
    data = {"id": "abc", "status": "IN_QUEUE"}

    assert Job.from_wire(json.dumps(data)) == Job.from_wire(json.dumps(data).encode()) == Job.from_wire(data)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b"[]",
        b'"abc"',
        b"<html>502 Bad Gateway</html>",
        b'{"id": "abc"}',
        b'{"status": "COMPLETED"}',
        b'{"id": "abc", "status": null}',
        b'{"id": "abc", "status": 5}',
        b'{"id": 5, "status": "COMPLETED"}',
        b'{"id": "", "status": "COMPLETED"}',
        b'{"id": "../../etc", "status": "COMPLETED"}',
        b'{"id": "a b", "status": "COMPLETED"}',
        b'{"id": "abc\\n", "status": "COMPLETED"}',
        b'{"id": "' + b"a" * 129 + b'", "status": "COMPLETED"}',
        b'{"id": "\\u0430bc", "status": "COMPLETED"}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"id": "abc", "status": "COMPLETED", "retries": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_cannot_be_read_is_a_protocol_error_with_a_short_excerpt(answer):
    with pytest.raises(ProtocolError) as caught:
        Job.from_wire(answer)

    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@given(st.binary() | st.text())
def test_any_bytes_are_a_job_or_a_protocol_error(answer):
    for read in (Job.from_wire, Health.from_wire):
        try:
            read(answer)
        except ProtocolError as exc:
            str(exc).encode()


@given(st.dictionaries(st.sampled_from(["id", "status", "error", "output", "delayTime", "workerId"]), json_values))
def test_any_object_is_a_job_or_a_protocol_error(data):
    for answer in (data, json.dumps(data)):
        try:
            Job.from_wire(answer)
        except ProtocolError as exc:
            str(exc).encode("utf-8", "strict")


@given(
    st.sampled_from([*JobStatus, "DONE", "completed", ""]),
    st.fixed_dictionaries(
        {}, optional={name: json_values for name in ("error", "delayTime", "executionTime", "workerId", "retries")}
    ),
)
def test_whatever_stands_in_its_fields_a_job_keeps_its_promises(status, fields):
    job = Job.from_wire(json.dumps({"id": "abc", "status": status, **fields}))

    assert JOB_ID.fullmatch(job.id)
    assert isinstance(job.status, JobStatus)
    assert job.reason
    assert "\n" not in job.reason
    assert type(job.retries) is int
    assert job.retries >= 0
    for seconds in (job.queue_delay_s, job.execution_time_s):
        assert seconds is None or 0 <= seconds < 1e9
    for text in (job.error or "", job.worker_id or "", job.wire_status, repr(job)):
        text.encode()
        assert len(text) < 5000


@pytest.mark.parametrize("spelling", ["", "completed", "DONE", "PAUSED"])
def test_an_unheard_status_ends_nothing_and_keeps_its_word(spelling):
    job = Job.from_wire({"id": "abc", "status": spelling})

    assert job.status is JobStatus.UNKNOWN
    assert not job.status.is_final
    assert job.wire_status == spelling
    assert job.raise_for_status() is job


def test_four_statuses_are_final():
    assert {status.value for status in JobStatus if status.is_final} == {
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "TIMED_OUT",
    }


@pytest.mark.parametrize(
    ("status", "error"),
    [("FAILED", JobFailedError), ("CANCELLED", JobCancelledError), ("TIMED_OUT", JobTimedOutError)],
)
def test_an_end_without_output_raises_its_error(status, error):
    with pytest.raises(error) as caught:
        wire(status=status, error="no GPU").raise_for_status()

    assert caught.value.args == ("abc-1", status, "no GPU")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("out of memory", "out of memory"),
        ("Traceback:\n  line 1\n\nBoom", "Traceback: line 1 Boom"),
        ('{"error_type": "<class \'KeyError\'>", "error_message": "\'prompt\'"}', "KeyError: 'prompt'"),
        ('{"error_message": "boom"}', "boom"),
        ('{"error_message": 5}', '{"error_message": 5}'),
        ({"code": 5, "what": "жар"}, '{"code": 5, "what": "жар"}'),
        (["a", "b"], '["a", "b"]'),
        ("", "no reason given"),
        (None, "no reason given"),
        ("half \ud800 pair", "half ? pair"),
    ],
)
def test_a_reason_is_the_message_a_person_wants_in_one_line(error, reason):
    assert wire(error=error).reason.startswith(reason)


def test_a_long_error_is_cut():
    assert len(wire(error="x" * 100_000).error or "") == 2000


def test_completed_without_output_has_a_reason_of_its_own():
    assert wire(status="COMPLETED").reason.startswith("COMPLETED without output")


@pytest.mark.parametrize(
    ("given_ms", "seconds"),
    [
        (1, 0.001),
        (1500.5, 1.5005),
        (0, 0.0),
        (-1, None),
        (True, None),
        ("12", None),
        (1e13, None),
        (float("nan"), None),
    ],
)
def test_odd_times_are_unknown_rather_than_wrong(given_ms, seconds):
    assert wire(delayTime=given_ms).queue_delay_s == seconds


def test_outputs_stay_out_of_reprs():
    assert "iVBOR" not in repr(wire(output="iVBOR" * 1000))
    assert "iVBOR" not in repr(ImageRef("base64", "iVBOR"))


def test_health_is_counted():
    health = Health.from_wire(
        '{"jobs": {"completed": 9, "failed": 1, "inProgress": 2, "inQueue": 3, "retried": 0}, '
        '"workers": {"idle": 1, "initializing": 1, "ready": 2, "running": 4, "throttled": 5, "unhealthy": 6}}'
    )

    assert health == Health(3, 2, 1, 1, 2, 4, 5, 6)
    assert health.workers == 6
    assert health.trouble is None


@pytest.mark.parametrize("answer", ["{}", '{"jobs": 5, "workers": []}', '{"workers": {"idle": -1, "ready": true}}'])
def test_what_health_does_not_say_is_nought(answer):
    assert Health.from_wire(answer) == Health()


@pytest.mark.parametrize(
    ("health", "word"),
    [
        (Health(), "no workers"),
        (Health(throttled=2), "2 workers are throttled"),
        (Health(throttled=2, unhealthy=1), "1 workers are unhealthy"),
    ],
)
def test_trouble_says_why_nothing_starts(health, word):
    assert word in (health.trouble or "")


def test_a_starting_worker_is_no_trouble():
    assert Health(initializing=1).trouble is None


@given(json_values)
def test_any_json_is_health_or_a_protocol_error(data):
    try:
        health = Health.from_wire(json.dumps(data))
    except ProtocolError:
        assert not isinstance(data, dict)
    else:
        assert health.workers >= 0
