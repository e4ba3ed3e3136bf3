"""What a calendar part asks for: the few properties of iCalendar (RFC 5545, RFC 5546) that are shown.

A reader of its own, because the kept library (icalendar 7.3) remembers time zones by the name that
a sender gave them, so that one email can move the times of another. Which part is a calendar is left to
`core.mime`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailcrm.core.addresses import normalise
from mailcrm.core.headers import one_line
from mailcrm.core.parsed import Invitation

#: Invitations are some 2 KB; with many guests and a long description, 50.
CALENDAR_BYTES = 256 * 1024
EVENTS = 20
OBSERVANCES = 50
#: The rule of a zone has some 60.
RULE_CHARACTERS = 500
#: What is shown of a summary or a location.
WORDS_CHARACTERS = 1_000

_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(
    r"^([A-Za-z0-9-]{1,60})((?:;[A-Za-z0-9-]{1,60}=(?:\"[^\"\n]*+\"|[^\";:\n]*+))*+):(.*+)", re.MULTILINE
)
_PARAMETER = re.compile(r";([A-Za-z0-9-]++)=(?:\"([^\"]*+)\"|([^;]*+))")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DATE_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)
_DURATION = re.compile(
    r"\+?P(?:(\d{1,3})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?", re.ASCII
)
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?", re.ASCII)
_WEEKDAY = re.compile(r"([+-]?\d)?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_ZONE = re.compile(r"(?<![^/])[A-Za-z][A-Za-z0-9_+-]{0,30}(?:/[A-Za-z][A-Za-z0-9_+-]{0,30}){0,2}\Z")
#: What an attendee of an event can answer (RFC 5545, 3.2.12).
_ANSWERS = frozenset(("accepted", "declined", "delegated", "needs-action", "tentative"))
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(kw_only=True, slots=True)
class _Component:
    """A component: its properties, each the first of its name, and the components inside it.

    `repeated` are the names of which there are several.
    """

    name: str
    properties: dict[str, tuple[str, str]] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    components: "list[_Component]" = field(default_factory=list)

    def value(self, name: str) -> str:
        return self.properties.get(name, ("", ""))[1].strip()

    def words(self, name: str) -> str:
        """Return a property of text on one line (RFC 5545, 3.3.11)."""
        value = self.value(name)[:WORDS_CHARACTERS]
        return one_line(_ESCAPED.sub(lambda found: " " if found[1] in "nN" else found[1], value))

    def parameter(self, name: str, parameter: str) -> str:
        for found in _PARAMETER.finditer(self.properties.get(name, ("", ""))[0]):
            if found[1].upper() == parameter:
                return found[2] if found[2] is not None else found[3]
        return ""


def invitations(text: str, method: str) -> tuple[Invitation, ...] | None:
    """Return what the events of a calendar ask for; None when it is no calendar that can be read.

    `method` is the one that the part's Content-Type names, for calendars that name none. Without any
    method a calendar asks for nothing. At most 256 KB and 20 events are read.
    """
    calendar = _read(text[:CALENDAR_BYTES])
    if calendar is None:
        return None
    method = (calendar.words("METHOD") or method).upper()[:20]
    if not method:
        return ()
    zones = {inner.value("TZID"): inner for inner in calendar.components if inner.name == "VTIMEZONE"}
    usual = calendar.value("X-WR-TIMEZONE") or (next(iter(zones)) if len(zones) == 1 else "")
    events = [inner for inner in calendar.components if inner.name == "VEVENT"][:EVENTS]
    if not events:
        # A task or free times (RFC 5545, 3.6.2 to 3.6.4); Exchange may send nothing at all.
        return () if calendar.components else None
    # Later events of one UID are exceptions of a series (RFC 5545, 3.8.4.4).
    first = {event.value("UID") or str(number): event for number, event in reversed([*enumerate(events)])}
    return tuple(_invitation(event, method, zones, usual) for event in reversed(first.values()))


def _read(text: str) -> _Component | None:
    """Return the first calendar, its components nested as they are in the text."""
    # RFC 5545, 3.1: a long line goes on in the next one after a blank.
    text = _FOLD.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    open_components: list[_Component] = []
    for found in _LINE.finditer(text):
        name, value = found[1].upper(), found[3]
        if name == "BEGIN":
            component = _Component(name=value.strip().upper())
            if open_components:
                open_components[-1].components.append(component)
            elif component.name != "VCALENDAR":
                return None
            open_components.append(component)
        elif not open_components:
            continue
        elif name == "END":
            if len(open_components) == 1:
                return open_components[0]
            open_components.pop()
        else:
            component = open_components[-1]
            if name in component.properties:
                component.repeated.add(name)
            else:
                component.properties[name] = (found[2], value)
    return open_components[0] if open_components else None


def _invitation(event: _Component, method: str, zones: Mapping[str, _Component], usual: str) -> Invitation:
    starts_at, all_day = _moment(event, "DTSTART", zones, usual)
    ends_at, _ = _moment(event, "DTEND", zones, usual)
    if starts_at and not ends_at:
        ends_at = _after(starts_at, event.value("DURATION"), all_day=all_day)
    # RFC 5546, 3.2.3: a reply has one attendee, who sends it. With more it is not known who that is.
    replies = method == "REPLY" and "ATTENDEE" not in event.repeated
    answer = event.parameter("ATTENDEE", "PARTSTAT").lower()
    return Invitation(
        method=method,
        summary=event.words("SUMMARY"),
        starts_at=starts_at,
        ends_at=ends_at if starts_at else None,
        all_day=all_day,
        location=event.words("LOCATION"),
        organizer=_person(event, "ORGANIZER"),
        attendee=_person(event, "ATTENDEE") if replies else "",
        answer=answer if replies and answer in _ANSWERS else "",
        repeats="RRULE" in event.properties or "RDATE" in event.properties,
    )


def _person(event: _Component, name: str) -> str:
    return _address(event.value(name)) or _address(event.parameter(name, "EMAIL"))


def _address(value: str) -> str:
    scheme, _, address = value.strip().rpartition(":")
    return (normalise(address) or "") if scheme.lower() in ("", "mailto") else ""


def _after(start: datetime, duration: str, *, all_day: bool) -> datetime | None:
    """Return the end that a duration tells; a day without one lasts until the next (RFC 5545, 3.6.1)."""
    found = _DURATION.fullmatch(duration or "P")
    if found is None:
        return None
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        return start + (length or timedelta(days=all_day))
    except OverflowError:
        return None


# --- times ------------------------------------------------------------------------------------


def _moment(
    event: _Component, name: str, zones: Mapping[str, _Component], usual: str
) -> tuple[datetime | None, bool]:
    """Return a time in UTC and whether it is a whole day; `usual` is the zone of times without one."""
    local, universal = _local(event.value(name))
    if local is None:
        return None, False
    whole = len(event.value(name)) == 8 or event.value("X-MICROSOFT-CDO-ALLDAYEVENT").upper() == "TRUE"
    if whole:
        return local.replace(hour=0, minute=0, second=0, tzinfo=UTC), True
    zone = event.parameter(name, "TZID") or usual
    if universal or not zone:
        return local.replace(tzinfo=UTC), False
    return _in_utc(local, zone, zones), False


def _local(value: str) -> tuple[datetime | None, bool]:
    """Return a date or a time as it is written (RFC 5545, 3.3.4 and 3.3.5), and whether it is UTC."""
    found = _DATE_TIME.fullmatch(value)
    if found is None:
        return None, False
    year, month, day, hour, minute, second = (int(number or 0) for number in found.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, min(second, 59)), bool(found[7])  # noqa: DTZ001 (local)
    except ValueError:
        return None, False


def _in_utc(local: datetime, name: str, zones: Mapping[str, _Component]) -> datetime | None:
    """Return a time of a zone in UTC: the IANA's zone, else as the calendar defines it, else Windows'."""
    try:
        if zone := _known_zone(name):
            return local.replace(tzinfo=zone).astimezone(UTC)
        if name in zones and (offset := _offset_at(zones[name], local)) is not None:
            return (local - offset).replace(tzinfo=UTC)
        if zone := _known_zone(_windows_zones().get(name, "")):
            return local.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        # In the first or the last hours that the calendar of Python has.
        return None
    return None


def _known_zone(name: str) -> tzinfo | None:
    # Mozilla and others put a word of their own before the name.
    found = _ZONE.search(name)
    try:
        return ZoneInfo(found[0]) if found else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # Of a name that is a folder, or some other file, of the database.
        return None


def _offset_at(zone: _Component, local: datetime) -> timedelta | None:
    """Return the offset of the observance that began last (RFC 5545, 3.6.5)."""
    begun: list[tuple[datetime, timedelta]] = []
    earlier: timedelta | None = None
    for observance in zone.components[:OBSERVANCES]:
        start, _ = _local(observance.value("DTSTART"))
        offset = _offset(observance.value("TZOFFSETTO"))
        if start is None or offset is None:
            continue
        onset = _last_onset(observance.value("RRULE"), start, local)
        if onset is not None:
            begun.append((onset, offset))
        earlier = earlier or _offset(observance.value("TZOFFSETFROM")) or offset
    return max(begun)[1] if begun else earlier


def _offset(value: str) -> timedelta | None:
    found = _OFFSET.fullmatch(value)
    if found is None:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]), seconds=int(found[4] or 0))
    return -offset if found[1] == "-" else offset


def _last_onset(rule: str, start: datetime, local: datetime) -> datetime | None:
    """Return when an observance began last before a time; of rules, those that zones have are read."""
    if start > local:
        return None
    said = dict(part.partition("=")[::2] for part in rule[:RULE_CHARACTERS].upper().split(";"))
    until, _ = _local(said.get("UNTIL", ""))
    if said.get("FREQ") == "YEARLY":
        last = min(local, until or local)
        for year in (last.year, last.year - 1):
            onset = _onset_in(year, said, start)
            if onset and start <= onset <= last:
                return onset
    return start


def _onset_in(year: int, said: Mapping[str, str], start: datetime) -> datetime | None:
    """Return when a yearly rule falls in a year: on a date, or on a weekday counted from either end."""
    month = said.get("BYMONTH", str(start.month))
    weekday = _WEEKDAY.fullmatch(said.get("BYDAY", ""))
    days = [int(day) for day in said.get("BYMONTHDAY", "").split(",") if re.fullmatch("[0-9]{1,2}", day)]
    try:
        first = start.replace(year=year, month=int(month), day=1)
        if weekday is None:
            return first.replace(day=min(days, default=start.day))
        count, number = int(weekday[1] or 0), _WEEKDAYS.index(weekday[2])
        if count < 0:
            following = (first + timedelta(days=31)).replace(day=1)
            back = (following.weekday() - number - 1) % 7 + 1
            return following - timedelta(days=back + 7 * (-count - 1))
        first = first.replace(day=min(days, default=1))
        return first + timedelta(days=(number - first.weekday()) % 7 + 7 * max(count - 1, 0))
    except (ValueError, OverflowError):
        return None


@cache
def _windows_zones() -> Mapping[str, str]:
    """Return the zones of Windows by name, as Unicode's CLDR (windowsZones) gives the place of each."""
    named = (line.strip().split(" = ") for line in _WINDOWS.strip().splitlines())
    return {f"{name} Standard Time": place for name, place in named} | {
        "Central Standard Time (Mexico)": "America/Mexico_City",
    }


# Exchange defines its zones in the calendar; these are for the programs that only name them.
_WINDOWS = """
    Hawaiian = Pacific/Honolulu
    Alaskan = America/Anchorage
    Pacific = America/Los_Angeles
    US Mountain = America/Phoenix
    Mountain = America/Denver
    Central America = America/Guatemala
    Central = America/Chicago
    SA Pacific = America/Bogota
    Eastern = America/New_York
    Atlantic = America/Halifax
    SA Western = America/La_Paz
    Pacific SA = America/Santiago
    Newfoundland = America/St_Johns
    E. South America = America/Sao_Paulo
    Argentina = America/Buenos_Aires
    SA Eastern = America/Cayenne
    Azores = Atlantic/Azores
    GMT = Europe/London
    Greenwich = Atlantic/Reykjavik
    W. Europe = Europe/Berlin
    Central Europe = Europe/Budapest
    Romance = Europe/Paris
    Central European = Europe/Warsaw
    W. Central Africa = Africa/Lagos
    GTB = Europe/Bucharest
    FLE = Europe/Kyiv
    E. Europe = Europe/Chisinau
    Turkey = Europe/Istanbul
    Israel = Asia/Jerusalem
    Egypt = Africa/Cairo
    South Africa = Africa/Johannesburg
    Kaliningrad = Europe/Kaliningrad
    Russian = Europe/Moscow
    Belarus = Europe/Minsk
    Arab = Asia/Riyadh
    Arabic = Asia/Baghdad
    E. Africa = Africa/Nairobi
    Iran = Asia/Tehran
    Arabian = Asia/Dubai
    Georgian = Asia/Tbilisi
    Azerbaijan = Asia/Baku
    Caucasus = Asia/Yerevan
    Afghanistan = Asia/Kabul
    West Asia = Asia/Tashkent
    Ekaterinburg = Asia/Yekaterinburg
    Pakistan = Asia/Karachi
    India = Asia/Kolkata
    Sri Lanka = Asia/Colombo
    Nepal = Asia/Kathmandu
    Central Asia = Asia/Almaty
    Bangladesh = Asia/Dhaka
    Myanmar = Asia/Yangon
    SE Asia = Asia/Bangkok
    N. Central Asia = Asia/Novosibirsk
    North Asia = Asia/Krasnoyarsk
    China = Asia/Shanghai
    Singapore = Asia/Singapore
    Taipei = Asia/Taipei
    W. Australia = Australia/Perth
    North Asia East = Asia/Irkutsk
    Ulaanbaatar = Asia/Ulaanbaatar
    Tokyo = Asia/Tokyo
    Korea = Asia/Seoul
    Yakutsk = Asia/Yakutsk
    Cen. Australia = Australia/Adelaide
    AUS Central = Australia/Darwin
    E. Australia = Australia/Brisbane
    AUS Eastern = Australia/Sydney
    Vladivostok = Asia/Vladivostok
    New Zealand = Pacific/Auckland
    Fiji = Pacific/Fiji
"""
