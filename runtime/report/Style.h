//===- Style.h - how report.html looks --------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REPORT_STYLE_H
#define NETC_RUNTIME_REPORT_STYLE_H

namespace netc::runtime {

/// Colours that colour-blind readers can distinguish; light or dark as the system's theme.
inline constexpr const char *reportStyle = R"css(
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1d2430; --quiet: #626d7c; --rule: #dfe3e8; --hit: 34 139 84; --miss: 206 59 50;
  --c1: #1f6fd1; --c2: #d9601a; --c3: #1a8f6b; --c4: #8a4fc4; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161c; --card: #1b212a; --ink: #e6eaf0; --quiet: #97a3b3; --rule: #303945; --hit: 63 185 116; --miss: 240 92 80;
  --c1: #6aaefc; --c2: #f79455; --c3: #4cc9a0; --c4: #c197f2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 48px; }
h1 { font-size: 26px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 34px 0 4px; }
.quiet, small { color: var(--quiet); } p { margin: 0 0 10px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; margin: 18px 0; }
.tiles .card { display: flex; flex-direction: column; } .tiles b { font-size: 24px; font-weight: 650; line-height: 1.25; }
.tiles span { color: var(--quiet); font-size: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 14px; }
figcaption { font-weight: 600; } .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; color: var(--quiet); min-height: 20px; }
.legend i { display: inline-block; width: 16px; height: 3px; border-radius: 2px; background: var(--c); vertical-align: middle; margin-right: 6px; }
.c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); } .c4 { --c: var(--c4); }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12px; fill: var(--quiet); } svg .label { font-size: 12.5px; }
.grid { stroke: var(--rule); } .axis { stroke: var(--quiet); } .line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.faint.line { stroke-width: 1.2; opacity: .5; } .legend .faint i { opacity: .5; } .point circle { fill: var(--c); } .point .touch { fill: transparent; }
.point:hover circle:first-child { stroke: var(--ink); stroke-width: 2; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.matrix { font-size: 12.5px; margin: 0 auto; } .matrix td { min-width: 34px; height: 32px; text-align: center; border: 1px solid var(--card); }
.matrix td.hit { background: rgb(var(--hit) / calc(var(--s) * .75)); } .matrix td.miss { background: rgb(var(--miss) / calc(var(--s) * .9)); }
.matrix th { font-weight: 500; color: var(--quiet); } .matrix .row { text-align: right; padding-right: 10px; white-space: nowrap; }
.matrix .column { vertical-align: bottom; padding: 0 0 8px; } .matrix .column span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
.matrix .recall { color: var(--quiet); padding: 0 0 0 12px; text-align: right; vertical-align: bottom; } .matrix td.recall { vertical-align: middle; }
.plain { width: 100%; } .plain td, .plain th { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
.plain tr:last-child td, .plain tr:last-child th { border-bottom: 0; } .plain th { font-weight: 500; color: var(--quiet); white-space: nowrap; } .plain .n { text-align: right; }
.plain td { overflow-wrap: anywhere; } code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 14px; align-items: start; }
.mistakes { list-style: none; padding: 0; margin: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(168px, 1fr)); gap: 12px; }
.mistakes li { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px; display: grid; grid-template-columns: 1fr auto; gap: 0 6px; font-size: 13px; align-content: start; }
.mistakes img { grid-column: 1 / -1; display: block; margin: 0 auto 8px; max-width: 100%; height: auto; border-radius: 4px; }
.mistakes b { color: rgb(var(--miss)); } .mistakes em { font-style: normal; } .mistakes b, .mistakes em { overflow-wrap: anywhere; }
.mistakes span { color: var(--quiet); text-align: right; } .mistakes small { grid-column: 1 / -1; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
@media print { body { background: none; } .card, .mistakes li { break-inside: avoid; } }
)css";

} // namespace netc::runtime

#endif // NETC_RUNTIME_REPORT_STYLE_H
