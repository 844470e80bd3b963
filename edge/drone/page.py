# SPDX-License-Identifier: AGPL-3.0-or-later
"""The ledger as one HTML page that needs nothing else: works offline, prints, Chinese and English.

Every text from outside (names, notes) is escaped; the page runs no script but the language switch.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, tzinfo
from html import escape
from importlib.resources import files
from pathlib import Path

from edge.drone.exports import shown
from edge.drone.page_cells import Row, both, facts_of, mmss, row, t
from edge.drone.settings import Ledger
from edge.drone.svgmap import colour
from edge.drone.words import BLIND, MEMBERSHIP, NOTES, STATUS, UNSEEN


def page(flight: Row, map_svg: str, pictures: Path, ledger: Ledger, zone: tzinfo) -> str:
    """The whole page. `pictures` is the folder of the findings' pictures, which are put inside."""
    writer = _Page(flight, pictures, ledger, zone)
    body = "\n".join(
        [
            writer.head(),
            writer.cards(),
            *writer.notes(),
            f"<h2>{t('地图', 'Map')}</h2>",
            map_svg,
            writer.legend(),
            writer.sites(),
            writer.as_flown(),
            writer.findings(),
            writer.gone(),
            writer.unplaced(),
            writer.waiting(),
            writer.blind(),
            writer.origin(),
            writer.sign(),
        ]
    )
    template = files("edge.drone").joinpath("page.html").read_text(encoding="utf-8")
    title = escape(f"巡飞台账 Flight ledger – {flight['name']}")
    lang = "zh" if ledger.language == "zh" else "en"
    return template.replace("@LANG@", lang).replace("@TITLE@", title).replace("@BODY@", body)


class _Page:
    """The sections, each a piece of HTML or an empty text where there is nothing to show."""

    def __init__(self, flight: Row, pictures: Path, ledger: Ledger, zone: tzinfo) -> None:
        self.flight, self.pictures, self.ledger, self.zone = flight, pictures, ledger, zone

    def _clock(self, utc: float | None, layout: str = "%Y-%m-%d %H:%M:%S") -> str:
        return "–" if utc is None else datetime.fromtimestamp(utc, self.zone).strftime(layout)

    def _image(self, name: str | None) -> str:
        if not name or not (self.pictures / name).is_file():
            return ""
        data = base64.b64encode((self.pictures / name).read_bytes()).decode()
        return f'<img alt="" loading="lazy" src="data:image/jpeg;base64,{data}">'

    def _figure(self, name: str | None, label: str) -> str:
        image = self._image(name)
        caption = f"<figcaption>{label}</figcaption>"
        return f"<figure>{image}{caption}</figure>" if image else ""

    def head(self) -> str:
        """Title, flight, times, and the line that says that everything is suspected."""
        flight = self.flight
        when = f"{self._clock(flight['start_utc'])} – {self._clock(flight['end_utc'], '%H:%M:%S')}"
        craft = escape(flight["aircraft"] or "–")
        return (
            f"<h1>{t('无人机巡飞台账', 'Drone inspection ledger')}</h1>"
            f'<p class="sub">{escape(flight["name"])} · {when} '
            f"({escape(self.ledger.timezone)}) · {t('机型', 'aircraft')} {craft} · "
            + t("以下均为疑似问题,须人工复核", "all findings are suspected, for a person to review")
            + "</p>"
        )

    def cards(self) -> str:
        """The large numbers at the top; minutes nobody could look are one of them."""
        flight, counts = self.flight, self.flight["counts"]
        sites = sum(site["inspected_share"] > 0 for site in flight["sites"])
        rows = (
            (f"{flight['minutes']:.1f}", t("飞行分钟", "minutes flown")),
            (f"{flight['distance_m'] / 1000:.2f}", t("航程 公里", "km of track")),
            (f"{flight['area_m2'] / 1e4:.2f}", t("覆盖 公顷", "hectares seen")),
            (f"{sites}/{len(flight['sites'])}", t("已查工地/路段", "sites inspected")),
            (str(counts["findings"]), t("疑似问题", "suspected findings")),
            (
                f"{counts['new']} · {counts['still']} · {counts['gone']}",
                t("新增 · 仍在 · 已消失", "new · still there · gone"),
            ),
            (f"{flight['blind_s'] / 60:.1f}", t("未查看分钟", "minutes blind")),
        )
        cards = "".join(
            f'<div class="card"><b>{n}</b><small>{what}</small></div>' for n, what in rows
        )
        return f'<div class="cards">{cards}</div>'

    def notes(self) -> Iterable[str]:
        for note in self.flight["notes"]:
            zh, en = NOTES.get(note["key"], ("{text}", "{text}"))
            text = escape(str(note.get("text", "")))
            yield f'<div class="note">{t(zh.format(text=text), en.format(text=text))}</div>'

    def legend(self) -> str:
        """What the marks on the map mean, with the colour of each category that was found."""
        seen = {f["category"]: f["names"] for f in self.flight["findings"]}
        marks = "".join(
            f'<i style="background:{colour(name)}"></i>{both(names)}'
            for name, names in sorted(seen.items())
        )
        text = t(
            "圆圈为 90% 误差范围;虚线框为画面落地范围;航迹由绿点到黑方块;上为北",
            "circles hold the truth in 90 % of cases; thin outlines are picture footprints; "
            "the track runs from the green dot to the black square; north is up",
        )
        return f'<p class="legend">{text}{marks}</p>'

    def sites(self) -> str:
        """The table by site; empty where no register was given."""
        if not self.flight["sites"]:
            return ""
        head = row(
            "th",
            t("工地/路段", "Site"),
            t("已查比例", "Inspected"),
            t("裸土", "Bare soil"),
            t("绿网", "Green net"),
            t("问题", "Findings"),
            t("新增/仍在/消失", "New / still / gone"),
            t("上次巡飞", "Last flown"),
        )
        rows = "".join(self._site(site) for site in self.flight["sites"])
        title = t("各工地情况", "By site")
        return f"<h2>{title}</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def _site(self, site: Row) -> str:
        share = site["inspected_share"]
        bar = f'<span class="bar"><i style="width:{share * 100:.0f}%"></i></span>{share:.0%}'
        found = ", ".join(
            f"{both(names)} {n}"
            for names, n in ((row["names"], row["count"]) for row in site["found"])
        )
        name = t(escape(site["name"]), escape(site["name_en"] or site["name"]))
        colours = [
            f"{site[key]:.0%}" if site[key] is not None and share > 0 else "–"
            for key in ("soil_share", "net_share")
        ]
        compared = f"{site['new']} / {site['still']} / {site['gone']}"
        last = (
            self._clock(site["last_utc"], "%Y-%m-%d") if site["last_utc"] else t("无记录", "never")
        )
        return row("td", name, bar, *colours, found or "0", compared, last)

    def as_flown(self) -> str:
        """How it was flown, and what of it each category could have been seen in."""
        flown = self.flight.get("as_flown")
        if not flown or not flown["categories"]:
            return ""
        head = row(
            "th",
            t("类别", "Category"),
            t("需要的地面分辨率", "Needs, a pixel"),
            t("看清的比例", "Shown well enough"),
            t("其余的原因", "Why not the rest"),
        )
        rows = "".join(
            row(
                "td",
                both(one["names"]),
                f"{one['needs_gsd_m'] * 100:.1f} cm",
                f"{one['share']:.0%}",
                t(*UNSEEN[one["why"]]) if one["why"] else "–",
            )
            for one in flown["categories"]
        )
        title = t("按实际飞行能看清什么", "What could be seen, as flown")
        return (
            f"<h2>{title}</h2>{self._conditions(flown)}"
            f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
        )

    @staticmethod
    def _conditions(flown: Row) -> str:
        rows = [
            (t("地面分辨率", "ground a pixel"), flown["gsd_m"], 100.0, "cm"),
            (t("速度", "speed"), flown["speed_mps"], 1.0, "m/s"),
            (t("清晰度", "sharpness"), flown["sharpness"], 1.0, ""),
        ]
        facts = "".join(
            f"<span><b>{what}</b> {spread['median'] * scale:.3g} "
            f"({spread['p10'] * scale:.3g}–{spread['p90'] * scale:.3g}) {unit}</span>"
            for what, spread, scale, unit in rows
            if spread
        )
        blurred = f"<span><b>{t('模糊画面', 'blurred')}</b> {flown['blurred']}</span>"
        return f'<div class="facts">{facts}{blurred}</div>'

    def findings(self) -> str:
        rows = "".join(self._finding(finding) for finding in self.flight["findings"])
        empty = f"<p>{self._nothing()}</p>"
        return f"<h2>{t('疑似问题', 'Suspected findings')}</h2>{rows or empty}"

    def _nothing(self) -> str:
        """Nothing found is only said where everything was inspected."""
        flight = self.flight
        if flight["counts"].get("unplaced") or flight["blind"] or not flight["looks"]:
            return t(
                "没有可定位的疑似问题,但并非全部都已查看:见下。",
                "No finding with a place, but not everything was inspected: see below.",
            )
        return t("本次未发现疑似问题。", "No suspected finding in this flight.")

    def _finding(self, finding: Row) -> str:
        pictures = finding["pictures"]
        main = self._image(pictures.get("overview"))
        side = self._figure(pictures.get("close"), t("近景", "close"))
        side += self._figure(pictures.get("patch"), t("30 m 正北俯视", "30 m of ground, north up"))
        shade = colour(finding["category"])
        return (
            f'<section class="find" id="f{escape(finding["id"])}" style="--shade:{shade}">'
            f"<h3>{finding['number']}. {self._name(finding)}{self._tags(finding)}</h3>"
            f"{self._facts(finding)}"
            f'<div class="pics"><figure>{main}</figure>{side}</div></section>'
        )

    @staticmethod
    def _name(finding: Row) -> str:
        code = next(iter(finding["codes"].values()), "")
        names = finding["names"]
        return f"{both(names)} {escape(code)}"

    @staticmethod
    def _tags(finding: Row) -> str:
        tags = f'<span class="tag {finding["status"]}">{t(*STATUS[finding["status"]])}</span>'
        if finding["low_confidence"]:
            tags += f'<span class="tag low">{t("位置低可信", "place of low confidence")}</span>'
        if finding["membership"] == "within_ce90":
            tags += (
                f'<span class="tag low">{t("临近,待核", "beside the area, to be checked")}</span>'
            )
        return tags

    def _facts(self, finding: Row) -> str:
        place = t("位置未知", "place unknown")
        if finding["lat"] is not None:
            lat, lon = shown(finding["lat"], finding["lon"], self.ledger.datum)
            place = f"{lat:.6f}, {lon:.6f} {self.ledger.datum} ±{finding['ce90_m']:g} m"
        site = escape(finding["site_name"] or "–")
        first, last = finding["first_s"], finding["last_s"]
        facts = [
            (t("位置", "place"), place),
            (t("归属", "site"), f"{site} ({t(*MEMBERSHIP[finding['membership']])})"),
            (t("时间", "time"), self._clock(finding["first_utc"])),
            (t("视频", "video"), f"{mmss(first)}–{mmss(last)}"),
            (t("置信度", "score"), f"{finding['score']:.2f}"),
            *facts_of(finding["facts"]),
        ]
        if finding.get("previous"):
            facts.append((t("上次编号", "earlier finding"), escape(finding["previous"])))
        return (
            '<div class="facts">'
            + "".join(f"<span><b>{k}</b> {v}</span>" for k, v in facts)
            + "</div>"
        )

    def gone(self) -> str:
        rows = "".join(self._gone(finding) for finding in self.flight["gone"])
        if not rows:
            return ""
        return f"<h2>{t('已消失(复飞核实)', 'Gone, by flying again')}</h2>{rows}"

    def _gone(self, finding: Row) -> str:
        pictures = finding["pictures"]
        before = self._figure(pictures.get("before"), t("此前", "before"))
        after = self._figure(pictures.get("after"), t("本次", "this flight"))
        return (
            f'<section class="find gone" style="--shade:#2b8a3e"><h3>✓ {self._name(finding)}'
            f'<span class="tag gone">{t(*STATUS["gone"])}</span></h3>'
            f'<div class="facts"><span><b>{t("上次编号", "earlier finding")}</b> '
            f"{escape(finding['id'])}</span><span>{escape(finding['site_name'] or '')}</span></div>"
            f'<div class="pics">{before}{after}</div></section>'
        )

    def unplaced(self) -> str:
        """Things seen without a pose: a class, a picture and the aircraft's place, never the
        thing's."""
        rows = "".join(
            row(
                "td",
                self._image(group.get("pictures", {}).get("close")),
                escape(group["label"]),
                f"{mmss(group['first_s'])}–{mmss(group['last_s'])}",
                str(group["count"]),
                f"{group['aircraft'][0]:.5f}, {group['aircraft'][1]:.5f}"
                if group["aircraft"]
                else "–",
            )
            for group in self.flight["unplaced"]
        )
        if not rows:
            return ""
        head = row(
            "th",
            t("画面", "Picture"),
            t("类别", "Class"),
            t("视频", "Video"),
            t("次数", "Looks"),
            t("飞机位置(非目标)", "Aircraft, not the thing"),
        )
        title = t("无法定位的目标", "Seen, but without a place")
        return f'<h2>{title}</h2><table class="small">{head}{rows}</table>'

    def waiting(self) -> str:
        """Sites of the register that nobody flew for longer than `overdue_days`."""
        days = self.flight["overdue_days"]
        rows = "".join(
            row(
                "td",
                escape(site["name"]),
                site["last"] or t("无记录", "never"),
                "–" if site["days"] is None else str(site["days"]),
            )
            for site in self.flight["overdue"]
        )
        if not rows:
            return ""
        head = row("th", t("工地", "Site"), t("上次巡飞", "Last flown"), t("天数", "Days"))
        title = t(f"超过 {days} 天未巡飞", f"Not flown for more than {days} days")
        return f"<h2>{title}</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def blind(self) -> str:
        """When the camera saw nothing that could be judged, and why; silence is not innocence."""
        rows = "".join(
            row(
                "td",
                f"{mmss(part['start_s'])}–{mmss(part['end_s'])}",
                t(*BLIND.get(part["why"], (escape(part["why"]), escape(part["why"])))),
            )
            for part in self.flight["blind"]
        )
        if not rows:
            return ""
        head = row("th", t("视频", "Video"), t("原因", "Why"))
        title = t("未能查看的时段", "Not inspected")
        return f"<h2>{title}</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def origin(self) -> str:
        """How the numbers are known: pose source and quality, clock, lens, hashes."""
        flight = self.flight
        quality = ", ".join(f"{key} {value:.0%}" for key, value in flight["pose_quality"].items())
        bias = flight["yaw_bias_deg"]
        rows: list[tuple[str, str]] = [
            (t("位姿来源", "pose source"), escape(flight["pose_source"])),
            (t("位姿质量", "pose quality"), escape(quality)),
            (t("时钟", "clock"), escape(flight["clock"])),
            (t("焦距", "focal length"), escape(flight["lens"])),
            (t("航向修正", "yaw correction"), "–" if bias is None else f"{bias:+.1f}°"),
            (t("分析画面/切片", "pictures / tiles"), f"{flight['looks']} / {flight['tiles']}"),
            (t("未需切片", "tiles spared"), f"{flight['tiles_spared']:.0%}"),
            (t("模型", "model"), escape(f"{flight['model']} {flight['model_sha256'][:12]}")),
            (t("视频", "video"), escape(f"{flight['video']} {flight['video_sha256'][:12]}")),
            (t("坐标系", "datum"), escape(f"WGS-84 ({self.ledger.datum})")),
        ]
        body = "".join(row("td", key, value) for key, value in rows)
        return f"<h2>{t('数据来源', 'How this is known')}</h2><table><tbody>{body}</tbody></table>"

    def sign(self) -> str:
        """Lines for the signatures of who flew and who reviewed, and what ties the page to the
        data."""
        names = (
            t("巡飞员", "Flown by"),
            t("复核人", "Reviewed by"),
            t("日期", "Date"),
        )
        lines = "".join(f"<div>{name}</div>" for name in names)
        return (
            f'<div class="sign">{lines}</div><footer>{escape(self.flight["flight_id"])} · '
            f"config {escape(self.flight['config_sha256'][:12])}</footer>"
        )
