"""Lists the settings for whoever runs the service: the endpoint of its own, metrics, moderation, reports."""

from dataclasses import dataclass

from signald.core.accounts import ADMIN, Account, Role
from signald.core.events import EventKind
from signald.settings import values
from signald.settings.setting import Group, SettingsError, many, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings(Group):
    """The operator's own endpoint, metrics, moderation and reports."""

    admin_listen: tuple[str, ...] = many(
        values.endpoint,
        "Endpoints for the operator alone, with `/metrics`; `{worker}` stands for the worker's number",
    )
    admin_token: str = setting(
        "",
        values.bearer_token(16),
        "Whoever shows it on ADMIN_LISTEN may list, kick and ban clients; empty: nobody may",
        secret=True,
    )
    admin_tokens: tuple[Account, ...] = setting(
        "",
        values.accounts,
        "The same for several people, comma-separated: `name:role:token`, the role `moderator` or `operator`; "
        "moderators see no addresses and no settings",
        secret=True,
    )
    admin_hosts: frozenset[str] = setting(
        "",
        values.host_names,
        "Names under which the console may be opened, comma-separated, besides addresses and names of private networks",
    )
    public_metrics: bool = setting("false", values.switch, "Whether `/metrics` is on the public port too")
    metrics_pools: tuple[str, ...] = setting(
        "",
        values.pools,
        "Pools, comma-separated, that `/metrics` tells apart; all others are `other`, for clients make up pools",
    )
    outcome_releases: tuple[str, ...] = setting(
        "",
        values.releases,
        "Releases of the page, comma-separated, that `/metrics` tells apart in outcomes of calls; others are `other`",
    )
    public_online: bool = setting("true", values.switch, "Whether `/online` says how many clients are here and wait")
    reports_kept: int = setting(
        "10000", values.integer(0, 100_000), "How many reports are kept for ADMIN_LISTEN; the oldest go; 0: none"
    )
    report_days: int = setting("30", values.integer(1, 3650), "How many days a report is kept")
    report_webhook_url: str = setting(
        "",
        values.https_url,
        "`https://` URL to which each `report` of a client is posted, or what WEBHOOK_EVENTS says; empty: to none",
        secret=True,
    )
    report_webhook_secret: bytes = setting(
        "",
        values.webhook_secret,
        "What posts to REPORT_WEBHOOK_URL are signed with, as Standard Webhooks says: `whsec_` and base64, or any text",
        secret=True,
    )
    webhook_events: frozenset[EventKind] = setting(
        EventKind.REPORT,
        values.webhook_events,
        "What is posted to REPORT_WEBHOOK_URL, comma-separated: `report`; rooms that begin, `matched`, and that end, "
        "`ended`",
    )

    def check(self) -> None:
        """See `Group.check`."""
        if self.report_webhook_url and not self.report_webhook_secret:
            raise SettingsError("REPORT_WEBHOOK_URL: set REPORT_WEBHOOK_SECRET too, or nobody knows who posts there")
        if self.report_webhook_secret and not self.report_webhook_url:
            raise SettingsError("REPORT_WEBHOOK_SECRET: set REPORT_WEBHOOK_URL too")
        if self.webhook_events != {EventKind.REPORT} and not self.report_webhook_url:
            raise SettingsError("WEBHOOK_EVENTS: set REPORT_WEBHOOK_URL too, or nobody is told")
        for name, value in (("ADMIN_TOKEN", self.admin_token), ("ADMIN_TOKENS", self.admin_tokens)):
            if value and not self.admin_listen:
                raise SettingsError(f"{name}: set ADMIN_LISTEN too, the endpoint on which it is shown")
        for number, each in enumerate(self.admin_tokens, 1):
            if each.name == ADMIN or each.token == self.admin_token:
                what = "name" if each.name == ADMIN else "token"
                raise SettingsError(f"ADMIN_TOKENS: entry {number} has the {what} of whoever shows ADMIN_TOKEN")

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Who may do something on ADMIN_LISTEN."""
        shared = (Account(ADMIN, Role.OPERATOR, self.admin_token),) if self.admin_token else ()
        return shared + self.admin_tokens
