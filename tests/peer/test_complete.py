"""`find(complete=)`: a peer that sends no more than so many matches is asked in parts, until each part is answered whole."""

import random
import warnings
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbdicom.config import Limits
from nbdicom.core.extended import QueryOptions
from nbdicom.errors import OperationFailed, QueryError
from nbdicom.operations.requests import Refuse
from nbdicom.peer import Query, ResponseLimitReached
from nbdicom.peer.dividing import Indivisible, divided, divisible

from .conftest import PATIENT

SUCCESS, LIMIT, RESOURCES, CANCEL = 0x0000, 0xB001, 0xA700, 0xFE00


def within(value, key):
    """Whether a date or time matches a key, as PS3.4 C.2.2.2.5 has it."""
    if not key:
        return True
    first, hyphen, last = key.partition("-")
    return bool(value) and first <= value and (value <= last if hyphen and last else bool(hyphen) or value == first)


class Capped:
    """An archive that sends no more than *limit* matches, and then says *final*; *order* is that of its answers."""

    def __init__(self, studies, limit, final=SUCCESS, order=sorted, hears=("StudyDate", "StudyTime"), says=True):
        self.studies = [(f"1.2.{number}", *when) for number, when in enumerate(studies)]
        self.limit, self.final, self.order, self.hears, self.says = limit, final, order, hears, says
        self.asked = []

    def matches(self, day, time):
        day, time = (key if name in self.hears else "" for name, key in (("StudyDate", day), ("StudyTime", time)))
        found = self.order([one for one in self.studies if within(one[1], day) and within(one[2], time)])
        return found[: self.limit], self.final if len(found) > self.limit else SUCCESS

    def find(self, request):
        identifier = request.identifier()
        day, time = (str(identifier.get(name) or "") for name in ("StudyDate", "StudyTime"))
        self.asked.append((day, time))
        found, final = self.matches(day, time)
        if final == RESOURCES:
            found = found[: self.limit // 2]
        for uid, its_day, its_time in found:
            said = {"StudyDate": its_day, "StudyTime": its_time} if self.says else {}
            said["ModalitiesInStudy"] = identifier.ModalitiesInStudy or "OT"
            yield {"QueryRetrieveLevel": "STUDY", "PatientID": "P", "StudyInstanceUID": uid, **said}
        if final != SUCCESS:
            raise Refuse(final)


def days(count, first=date(2020, 1, 1), each=1):
    """Studies of so many days, *each* many a day, an hour and a half second apart."""
    return [
        (f"{first + timedelta(number):%Y%m%d}", f"{hour:02}0000.5") for number in range(count) for hour in range(each)
    ]


def shuffled(found):
    random.Random(len(found)).shuffle(found)
    return found


@pytest.mark.parametrize("order", [sorted, lambda found: sorted(found, reverse=True), shuffled], ids=["old", "new", "any"])
@pytest.mark.parametrize("final", [SUCCESS, LIMIT, RESOURCES, CANCEL], ids=hex)
@pytest.mark.parametrize(
    ("keys", "of", "questions"),
    [
        ({"StudyDate": "2020"}, 140, 1),
        ({"StudyDate": ("2020-03-01", None)}, 80, 1),
        ({"StudyDate": (None, "2020-01-20")}, 20, 1),
        ({"StudyDate": "2020", "ModalitiesInStudy": ["CT", "MR"]}, 140, 2),
    ],
    ids=["year", "since", "until", "two questions"],
)
def test_everything_comes_however_the_peer_cuts_off(scp_of_both, keys, of, questions, final, order):
    archive = Capped(days(140), 20, final, order)
    peer = scp_of_both(find=archive.find)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that it was cut off is nothing to warn of, when all has come
        found = peer.studies(**keys, complete=20 if final == SUCCESS else True)
    assert len(found) == found.StudyInstanceUID.nunique() == of
    about = found.dicom.provenance
    assert about["truncated"] is False and about["queries"] == len(archive.asked) == questions + 2 * about["divided"]
    assert about["divided"] <= 25 * questions and bool(about["divided"]) == (of > 20 or final == SUCCESS)


def test_a_round_number_of_matches_is_suspected(scp_of_both):
    archive = Capped(days(280), 100)
    peer = scp_of_both(find=archive.find)
    assert len(peer.studies(StudyDate="2020", complete=True)) == 280
    asked = len(archive.asked)
    assert len(peer.studies(StudyDate="2020")) == 100 and len(archive.asked) == asked + 1


@pytest.mark.parametrize("final", [SUCCESS, LIMIT])
def test_within_a_day_by_time(scp_of_both, final):
    archive = Capped([("20240301", f"{n // 60:02}{n % 60:02}00.5") for n in range(130)], 20, final)
    with pytest.warns(ResponseLimitReached, match="studies without StudyTime may be missing"):
        found = scp_of_both(find=archive.find).studies(StudyDate="20240301", complete=20)
    assert found.StudyInstanceUID.nunique() == len(found) == 130 and not found.dicom.truncated


def test_without_a_date_there_may_be_studies_that_no_range_finds(scp_of_both):
    archive = Capped([*days(60), *[("", "")] * 3], 20, order=lambda found: found)
    with pytest.warns(ResponseLimitReached, match="studies without StudyDate may be missing"):
        found = scp_of_both(find=archive.find).studies(complete=20)
    assert found.StudyInstanceUID.nunique() == 60 and not found.dicom.truncated


def test_a_limit_that_is_known_need_not_be_round(scp_of_both):
    archive = Capped(days(60), 7)
    peer = scp_of_both(find=archive.find)
    assert len(peer.studies(complete=True)) == 7  # nothing says that there is more
    assert archive.asked.pop() and not archive.asked
    assert len(peer.studies(StudyDate="2020", complete=7)) == 60


@pytest.mark.parametrize(
    ("options", "studies", "reason"),
    [
        ({"hears": ()}, days(60), "does not match by StudyDate"),
        ({"says": False}, days(60), "does not say StudyDate"),
        ({}, [("20240301", "120000")] * 60, "as narrow as it can be by StudyTime"),
        ({}, [("20240301", "")] * 60, "does not say StudyTime"),
    ],
)
def test_what_cannot_be_divided_is_said(scp_of_both, options, studies, reason):
    archive = Capped(studies, 20, **options)
    with pytest.warns(ResponseLimitReached, match=reason):
        found = scp_of_both(find=archive.find).studies(StudyDate=("2000", None), complete=20)
    assert found.dicom.truncated and len(found) >= 20 and len(archive.asked) < 10


def test_out_of_resources_that_no_part_helps_against(scp_of_both):
    def find(request):
        raise Refuse(RESOURCES)

    with pytest.raises(OperationFailed) as failure:
        scp_of_both(find=find).studies(StudyDate="20240301", StudyTime="12", complete=True)
    assert failure.value.status == RESOURCES


def test_no_more_questions_than_are_allowed(scp, peer_of):
    archive = Capped(days(200), 20)
    scp = scp(find=archive.find)
    peer = peer_of(scp.ae_title, scp.host, scp.port, timeouts=PATIENT, limits=Limits(queries=4))
    with pytest.warns(ResponseLimitReached, match=r"Limits\.queries"):
        found = peer.studies(StudyDate=("2000", None), complete=20)
    assert found.dicom.truncated and len(archive.asked) == 3


@pytest.mark.parametrize("final", [LIMIT, CANCEL], ids=hex)
def test_what_was_cut_off_is_told_to_who_did_not_ask_for_all(scp_of_both, final):
    with pytest.warns(ResponseLimitReached, match="complete=True"):
        found = scp_of_both(find=Capped(days(30), 20, final).find).studies()
    assert len(found) == 20 and found.dicom.truncated


def test_a_limit_of_rows_is_kept(scp_of_both):
    found = scp_of_both(find=Capped(days(60), 20).find).studies(complete=20, limit=25)
    assert len(found) == 25 and found.dicom.truncated


@pytest.mark.parametrize(
    "ask",
    [
        lambda peer: peer.patients(complete=True),
        lambda peer: peer.series(StudyInstanceUID="1.2", complete=True),
        lambda peer: peer.studies(complete=-1),
        lambda peer: peer.studies(complete="yes"),
        lambda peer: peer.studies(StudyTime="08-12", complete=True, options=QueryOptions(date_time=True)),
    ],
    ids=["patients", "series", "negative", "text", "combined"],
)
def test_questions_that_are_not_divided(scp_of_both, ask):
    archive = Capped([], 1)
    with pytest.raises(QueryError, match="complete"):
        ask(scp_of_both(find=archive.find))
    assert not archive.asked


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=120),
    st.integers(1, 12),
    st.sampled_from(["", "2020", "20200105-", "-20200110", "20200103-20200120", "20200107"]),
    st.sampled_from(["", "0000-0030", "000010-", "-000020", "000012"]),
)
@settings(max_examples=150)
def test_the_parts_ask_for_the_same_as_the_whole(studies, limit, day_key, time_key):
    """Whatever there is, the answers to the parts are those to the whole, but for what is cut off within a second."""
    archive = Capped([(f"{date(2020, 1, 1) + timedelta(d):%Y%m%d}", f"0000{s:02}.25") for d, s in studies], limit)
    whole = divisible(Query.of(StudyDate=day_key, StudyTime=time_key))
    waiting, found = [whole], set()
    while waiting:
        query = waiting.pop()
        keys = query.keys["StudyDate"], query.keys["StudyTime"]
        came, _ = archive.matches(*keys)
        found |= {uid for uid, *_ in came}
        if len(came) == limit:
            try:
                parts = divided(query, {"StudyDate": [d for _, d, _ in came], "StudyTime": [t for _, _, t in came]})
            except Indivisible:
                assert len({(day, time) for _, day, time in came}) == 1, f"{keys} can be divided"
                found |= {uid for uid, *when in archive.studies if tuple(when) == came[0][1:]}
                continue
            waiting += parts
    archive.limit = 10_000
    assert found == {uid for uid, *_ in archive.matches(whole.keys["StudyDate"], whole.keys["StudyTime"])[0]}
