"""Who may see and change what: the only lines in the program that decide it.

The rule is a set of SQL conditions, the same text for both databases. In SQLite each protected
table gets a temporary view of its own name: temporary names win over those of the schema
`main`, so in a viewer's connection `FROM email` *is* the mail that this viewer may see, and a
query has nothing to add and nothing to forget. In PostgreSQL the same conditions are row security
policies. Writing is guarded by temporary triggers and by `WITH CHECK`.

Every table stands in exactly one of `VISIBLE` and `FREE`; a test fails for one that does not.
docs/visibility.md tells the same to users; `core.visibility` is the same rule in Python, the oracle
that both databases are tested against. Running the texts is left to `sqlite` and `postgres`.
"""

from types import MappingProxyType

#: Views with the rights of the schema's owner. They hold ids only, and only such as the viewer
#: may know, because on PostgreSQL a member can read them directly.
HELPERS = MappingProxyType(
    {
        "viewer": "SELECT m.id, m.role FROM main.member m WHERE {me} AND m.active",
        "my_team": """
            SELECT tm.team_id AS id FROM main.team_member tm
            WHERE tm.member_id = (SELECT v.id FROM viewer v)""",
        "managed_account": """
            SELECT a.id FROM main.account a
            WHERE a.owner_id = (SELECT v.id FROM viewer v)
               OR a.team_id IN (SELECT mt.id FROM my_team mt)""",
        "shared_thread": """
            SELECT s.id, s.account_id FROM main.thread s
            WHERE s.visibility = 'shared'
              AND EXISTS (SELECT 1 FROM viewer v)
              AND EXISTS (SELECT 1 FROM main.link l WHERE l.thread_id = s.id)""",
        # A team that nobody belongs to and that owns nothing: anybody may fill it. Any other team
        # is closed even to an admin, who could otherwise join it and read its mail.
        "empty_team": """
            SELECT t.id FROM main.team t
            WHERE EXISTS (SELECT 1 FROM viewer v)
              AND NOT EXISTS (SELECT 1 FROM main.team_member tm WHERE tm.team_id = t.id)
              AND NOT EXISTS (SELECT 1 FROM main.account a WHERE a.team_id = t.id)""",
        # By the contact that it became part of.
        "merged_contact": """
            SELECT c.merged_into_id AS id, c.owner_id FROM main.contact c
            WHERE c.merged_into_id IS NOT NULL AND EXISTS (SELECT 1 FROM viewer v)""",
    }
)

_MEMBER_OF_STORE = "EXISTS (SELECT 1 FROM viewer v)"
_OF_EMAIL = "EXISTS (SELECT 1 FROM email e WHERE e.id = {table}.email_id)"
_OF_THREAD = "EXISTS (SELECT 1 FROM thread t WHERE t.id = {table}.thread_id)"
_OF_MANAGED_ACCOUNT = "EXISTS (SELECT 1 FROM managed_account m WHERE m.id = {table}.account_id)"
_OF_FOLDER = "EXISTS (SELECT 1 FROM folder f WHERE f.id = {table}.folder_id)"
# Colleagues who read a shared thread have nothing to decide about it.
_OF_MANAGED_THREAD = """EXISTS (SELECT 1 FROM thread t JOIN managed_account m ON m.id = t.account_id
                               WHERE t.id = {table}.thread_id)"""

#: The rule itself: the thread that a viewer may read.
THREAD = """
    EXISTS (SELECT 1 FROM managed_account m WHERE m.id = {table}.account_id)
    OR EXISTS (SELECT 1 FROM shared_thread s WHERE s.id = {table}.id)"""

#: Which rows of a table a viewer may read. Order matters: a rule may name tables above it.
VISIBLE = MappingProxyType(
    {
        table: rule.replace("{table}", table)
        for table, rule in {
            "member": _MEMBER_OF_STORE,
            "team": _MEMBER_OF_STORE,
            "team_member": _MEMBER_OF_STORE,
            "member_event": _MEMBER_OF_STORE,
            "label": _MEMBER_OF_STORE,
            "organization": _MEMBER_OF_STORE,
            "organization_domain": _MEMBER_OF_STORE,
            "contact": _MEMBER_OF_STORE,
            "contact_address": _MEMBER_OF_STORE,
            "contact_phone": _MEMBER_OF_STORE,
            "pipeline": _MEMBER_OF_STORE,
            "stage": _MEMBER_OF_STORE,
            "deal": _MEMBER_OF_STORE,
            "deal_contact": _MEMBER_OF_STORE,
            "lead": _MEMBER_OF_STORE,
            "lead_contact": _MEMBER_OF_STORE,
            "lead_label": _MEMBER_OF_STORE,
            # Colleagues learn that an account exists when they see mail of it, not before.
            # It is read off the row itself, because INSERT … RETURNING asks before the row is there.
            "account": """
                {table}.owner_id IN (SELECT v.id FROM viewer v)
                OR {table}.team_id IN (SELECT mt.id FROM my_team mt)
                OR EXISTS (SELECT 1 FROM shared_thread s WHERE s.account_id = {table}.id)""",
            "account_alias": _OF_MANAGED_ACCOUNT,
            "account_connection": _OF_MANAGED_ACCOUNT,
            "block_rule": f"""
                {{table}}.account_id IS NULL AND {_MEMBER_OF_STORE} OR {_OF_MANAGED_ACCOUNT}""",
            "folder": _OF_MANAGED_ACCOUNT,
            "screened": _OF_FOLDER,
            "thread": THREAD,
            "thread_reference": _OF_MANAGED_ACCOUNT,
            "thread_split": _OF_MANAGED_THREAD,
            "thread_event": _OF_MANAGED_THREAD,
            "thread_label": _OF_THREAD,
            "email": _OF_THREAD,
            "email_identity": _OF_MANAGED_ACCOUNT,
            "email_body": _OF_EMAIL,
            "email_source": _OF_EMAIL,
            "email_terms": _OF_EMAIL,
            "participant": _OF_EMAIL,
            "attachment": _OF_EMAIL,
            "forward": _OF_EMAIL,
            "invitation": _OF_EMAIL,
            "delivery": _OF_EMAIL,
            "placement": _OF_FOLDER,
            "fetch_failure": _OF_FOLDER,
            "link": _OF_THREAD,
            "link_refusal": _OF_THREAD,
            "suggestion": _OF_MANAGED_THREAD,
            "suggestion_candidate": "EXISTS (SELECT 1 FROM suggestion s WHERE s.id = {table}.suggestion_id)",
        }.items()
    }
)

#: Tables that tell nothing of anybody.
FREE = frozenset({"migration"})

_BY_ACCOUNT = "EXISTS (SELECT 1 FROM managed_account m WHERE m.id = {row}.account_id)"
_BY_EMAIL = """EXISTS (SELECT 1 FROM main.email e JOIN managed_account m ON m.id = e.account_id
                       WHERE e.id = {row}.email_id)"""
_BY_THREAD = """EXISTS (SELECT 1 FROM main.thread t JOIN managed_account m ON m.id = t.account_id
                        WHERE t.id = {row}.thread_id)"""
_BY_SPLIT = f"""{_BY_THREAD}
    AND EXISTS (SELECT 1 FROM main.thread t JOIN managed_account m ON m.id = t.account_id
                WHERE t.id = {{row}}.other_id)"""
_BY_FOLDER = """EXISTS (SELECT 1 FROM main.folder f JOIN managed_account m ON m.id = f.account_id
                        WHERE f.id = {row}.folder_id)"""
# A rule that one may not know is not named either: a foreign key would tell that it is there.
_BY_SCREENED = f"{_BY_FOLDER} AND EXISTS (SELECT 1 FROM block_rule b WHERE b.id = {{row}}.block_rule_id)"
_BY_ADMIN = "EXISTS (SELECT 1 FROM viewer v WHERE v.role = 'admin')"
_BY_MEMBER = _MEMBER_OF_STORE
_BY_OWNER = f"{{row}}.owner_id IN (SELECT v.id FROM viewer v) OR {_BY_ADMIN}"
# What became part of it goes along, and with that the links to it.
_BY_CONTACT_OWNER = f"""
    {{row}}.owner_id IN (SELECT v.id FROM viewer v
                         WHERE NOT EXISTS (SELECT 1 FROM merged_contact c WHERE c.id = {{row}}.id
                                           AND COALESCE(c.owner_id, 0) <> v.id))
    OR {_BY_ADMIN}"""
_BY_SUGGESTION = """EXISTS (SELECT 1 FROM main.suggestion s JOIN main.thread t ON t.id = s.thread_id
                            JOIN managed_account m ON m.id = t.account_id
                            WHERE s.id = {row}.suggestion_id)"""
_BY_NOBODY = "1 = 0"
_OF_MY_TEAM = "{row}.team_id IN (SELECT mt.id FROM my_team mt)"

#: Which rows a viewer may write: before a change and after it.
MANAGED = MappingProxyType(
    {
        "member": _BY_ADMIN,
        "team": _BY_MEMBER,
        "team_member": f"{_OF_MY_TEAM} OR {{row}}.team_id IN (SELECT t.id FROM empty_team t)",
        "member_event": _BY_ADMIN,
        "label": _BY_MEMBER,
        "organization": _BY_MEMBER,
        "organization_domain": _BY_MEMBER,
        "contact": _BY_MEMBER,
        "contact_address": _BY_MEMBER,
        "contact_phone": _BY_MEMBER,
        "pipeline": _BY_MEMBER,
        "stage": _BY_MEMBER,
        "deal": _BY_MEMBER,
        "deal_contact": _BY_MEMBER,
        "lead": _BY_MEMBER,
        "lead_contact": _BY_MEMBER,
        "lead_label": _BY_MEMBER,
        "account": f"{{row}}.owner_id IN (SELECT v.id FROM viewer v) OR {_OF_MY_TEAM}",
        "account_alias": _BY_ACCOUNT,
        "account_connection": _BY_ACCOUNT,
        "block_rule": f"{{row}}.account_id IS NULL AND {_BY_ADMIN} OR {_BY_ACCOUNT}",
        "folder": _BY_ACCOUNT,
        "screened": _BY_SCREENED,
        "thread": _BY_ACCOUNT,
        "thread_reference": _BY_ACCOUNT,
        "thread_split": _BY_SPLIT,
        "thread_event": _BY_THREAD,
        "thread_label": _BY_THREAD,
        "email": _BY_ACCOUNT,
        "email_identity": f"{_BY_ACCOUNT} AND {_BY_EMAIL}",
        "email_body": _BY_EMAIL,
        "email_source": _BY_EMAIL,
        "email_terms": _BY_EMAIL,
        "participant": _BY_EMAIL,
        "attachment": _BY_EMAIL,
        "forward": _BY_EMAIL,
        "invitation": _BY_EMAIL,
        "delivery": _BY_EMAIL,
        "placement": f"{_BY_FOLDER} AND {_BY_EMAIL}",
        "fetch_failure": _BY_FOLDER,
        "link": _BY_THREAD,
        "link_refusal": _BY_THREAD,
        "suggestion": _BY_THREAD,
        "suggestion_candidate": _BY_SUGGESTION,
    }
)

#: Which rows a viewer may remove, where it is not the same. With a record go the links of threads that
#: others manage, so it is for its owner and for admins; what was done stays told.
REMOVED = MappingProxyType(
    {
        "member": _BY_NOBODY,
        "member_event": _BY_NOBODY,
        "thread_event": _BY_NOBODY,
        "organization": _BY_OWNER,
        "contact": _BY_CONTACT_OWNER,
        "deal": _BY_OWNER,
        "lead": _BY_OWNER,
    }
)

#: Tables whose rows are handed on to another owner by those alone for whom this holds: whoever could take
#: a record could then remove it.
HANDED_ON = MappingProxyType(dict.fromkeys(("organization", "contact", "deal", "lead"), _BY_OWNER))

#: The column that says who made a row: nobody makes one in another's name.
AUTHORED = MappingProxyType(
    {
        "member_event": "done_by",
        "thread_event": "done_by",
        "block_rule": "added_by",
        "link": "linked_by",
        "link_refusal": "refused_by",
    }
)

#: Columns that nobody changes once the row is there. A member's login is an identity: whoever
#: could move it to another role would read as that member. Who could change the owner of an account
#: could take it from a team. What was done, and by whom, stays told as it was; only its thread changes,
#: when it becomes part of another one.
FIXED = MappingProxyType(
    {
        "member": ("login",),
        "member_event": ("member_id", "done_by", "done_at", "action"),
        "account": ("owner_id", "team_id"),
        "thread_event": ("done_by", "done_at", "action", "detail"),
        "block_rule": ("account_id", "pattern", "mode", "added_by", "added_at"),
        "link": ("contact_id", "deal_id", "lead_id", "origin", "linked_by", "linked_at"),
        "link_refusal": ("contact_id", "deal_id", "lead_id", "refused_by", "refused_at"),
    }
)
