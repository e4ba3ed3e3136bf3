"""The nouns of mailcrm, as frozen dataclasses; docs/glossary.md explains each word.

How they are stored is left to `mailcrm.store`, how they look to `mailcrm.render`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple


class Visibility(StrEnum):
    """Who may read a thread besides those who manage its account; see docs/visibility.md."""

    PRIVATE = "private"
    SHARED = "shared"


class Direction(StrEnum):
    """`OUT` when From is an own address of the account, else `IN`."""

    IN = "in"
    OUT = "out"


class FolderRole(StrEnum):
    """What a folder is for (RFC 6154, plus the inbox of RFC 9051)."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    JUNK = "junk"
    TRASH = "trash"
    ARCHIVE = "archive"
    ALL = "all"


class ParticipantRole(StrEnum):
    """The header field in which an address stands (RFC 5322, 3.6.2 and 3.6.3)."""

    FROM = "from"
    SENDER = "sender"
    REPLY_TO = "reply_to"
    TO = "to"
    CC = "cc"
    BCC = "bcc"


class DealStatus(StrEnum):
    """Only an open deal is a candidate for the automatic rule."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class LeadStatus(StrEnum):
    """Only an open lead is a candidate for the automatic rule."""

    OPEN = "open"
    CONVERTED = "converted"
    ARCHIVED = "archived"


class ItemKind(StrEnum):
    """What an item is: a deal, or a lead that may become one."""

    DEAL = "deal"
    LEAD = "lead"


class Item(NamedTuple):
    """A deal or a lead, by its number."""

    kind: ItemKind
    id: int


class MemberRole(StrEnum):
    """An admin manages members and teams; neither role opens anybody's private mail."""

    ADMIN = "admin"
    MEMBER = "member"


class LinkOrigin(StrEnum):
    """Who made a link: the automatic rule, a person, or a person who accepted a suggestion."""

    AUTO = "auto"
    MANUAL = "manual"
    ACCEPTED = "accepted"


class CreateContacts(StrEnum):
    """Who becomes a contact by itself: nobody, whom the account wrote to, or who wrote to it as well."""

    NEVER = "never"
    SENT = "sent"
    BOTH = "both"


class Security(StrEnum):
    """How a connection is protected; `NONE` is accepted for a loopback address only."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A mail server: host name, port, and how the connection is protected."""

    host: str
    port: int
    security: Security


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A person who uses mailcrm; `login` is the PostgreSQL role that proves who they are."""

    id: int
    name: str
    address: str
    role: MemberRole
    active: bool
    login: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """A named set of members, who may own accounts together."""

    id: int
    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """One connected mail account, owned by one member or by one team."""

    id: int
    address: str
    aliases: tuple[str, ...]
    owner_id: int | None
    owner: str
    team_id: int | None
    default_visibility: Visibility
    provider: str
    imap: Endpoint
    username: str
    history_start: datetime | None
    all_folders: bool
    auto_link_contacts: bool
    auto_link_deals: bool
    auto_link_leads: bool
    create_contacts: CreateContacts
    last_sync_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """An IMAP mailbox; `path` is its name as the server spells it, `name` as people read it.

    `mark` is what the last sync that found nothing missing saw of it, see `core.plan.mark`.
    """

    id: int
    account_id: int
    path: str
    name: str
    role: FolderRole | None
    selected: bool
    uidvalidity: int | None
    highestmodseq: int | None
    highest_uid: int
    server_count: int | None
    stored_count: int | None
    mark: str | None
    last_sync_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Participant:
    """A person named in a header of an email; `address` is normalised, see `core.addresses`."""

    role: ParticipantRole
    name: str
    address: str


def called(name: str, address: str) -> str:
    """Return one word for a person: the name, or the address when there is no name to trust.

    A name with an @, full-width or not, could be taken for the address: `"ceo@example.com" <x@example.org>`.
    """
    return name if name and "@" not in name and "\uff20" not in name else address or name


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadRow:
    """A line of the inbox: a thread with what it is linked to, and what is suggested to link."""

    id: int
    account: str
    subject: str
    visibility: Visibility
    team: bool
    correspondents: tuple[str, ...]
    email_count: int
    unread: bool
    last_received_at: datetime
    contacts: tuple[str, ...]
    deals: tuple[str, ...]
    leads: tuple[str, ...]
    labels: tuple[str, ...]
    archived: bool
    suggested: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailRow:
    """An email as a timeline, a search and a thread show it.

    `recipients` are those of its To field by name, or by address; `holders` are the accounts that
    have it; `files` are the names of its attached files, which a search leaves out.
    """

    id: int
    thread_id: int
    account: str
    message_id: str | None
    subject: str
    preview: str
    sender: str
    sender_name: str
    recipients: tuple[str, ...]
    sent_at: datetime | None
    received_at: datetime
    direction: Direction
    has_attachment: bool
    truncated: bool
    gone: bool
    visibility: Visibility
    team: bool
    holders: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Organization:
    """A company; mail addresses at one of its `domains` belong to its people."""

    id: int
    name: str
    owner_id: int | None
    domains: tuple[str, ...]
    notes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """A person outside; the first address is the primary one, `title` what they are in their organization."""

    id: int
    name: str
    owner_id: int | None
    addresses: tuple[str, ...]
    organization_id: int | None
    organization: str | None
    title: str
    phones: tuple[str, ...]
    notes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A word that people put on threads and leads."""

    id: int
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A step of a pipeline; stages are in order."""

    id: int
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """The stages that a deal goes through."""

    id: int
    name: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deal:
    """A sale in progress; `value` is a decimal number in `currency` (ISO 4217)."""

    id: int
    title: str
    status: DealStatus
    owner_id: int | None
    value: str | None
    currency: str | None
    pipeline: str
    stage: str
    organization_id: int | None
    organization: str | None
    expected_close: date | None
    created_at: datetime
    closed_at: datetime | None
    contacts: tuple[str, ...]
    contact_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lead:
    """A sale that may come; once converted, `deal_id` is the deal that it became."""

    id: int
    title: str
    status: LeadStatus
    owner_id: int | None
    value: str | None
    currency: str | None
    organization_id: int | None
    organization: str | None
    labels: tuple[str, ...]
    created_at: datetime
    closed_at: datetime | None
    deal_id: int | None
    contacts: tuple[str, ...]
    contact_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A thread's link to one contact, deal or lead; one to a converted lead is one to its deal."""

    thread_id: int
    contact_id: int | None
    deal_id: int | None
    lead_id: int | None
    title: str
    origin: LinkOrigin


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What a suggestion offers to link: a contact, or a deal or lead."""

    contact_id: int | None
    deal_id: int | None
    lead_id: int | None
    title: str

    def __str__(self) -> str:
        """Return what a person calls it: deal 42 Pumps."""
        for noun, number in (("contact", self.contact_id), ("deal", self.deal_id), ("lead", self.lead_id)):
            if number is not None:
                return f"{noun} {number} {self.title}"
        raise ValueError("a candidate is a contact, a deal or a lead")


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """Links that the automatic rule did not dare to make; of items the most recently active comes first."""

    id: int
    thread_id: int
    reason: str
    made_at: datetime
    candidates: tuple[Candidate, ...]
