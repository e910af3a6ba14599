"""How the page looks: on a phone, on a wide screen, in the dark and on paper.

Every text has at least 4.5 times the contrast of its ground, every mark of a chart three times;
tests/e2e/test_report.py measures the texts. The colours of ours and of the baseline to beat stay
apart for eyes that see no red or no green; shapes tell them apart too.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f3f5f8; --ink: #1a1f26; --soft: #4d5763; --line: #c3cad3;
  --link: #0b57b0; --ours: #0b57b0; --rival: #a8460a; --other: #5d6773; --accent: #0b57b0;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #14181d; --raised: #1f252c; --ink: #e6e9ee; --soft: #abb4bf; --line: #46505b;
    --link: #8cbcff; --ours: #7ab3ff; --rival: #ff9d5c; --other: #a3adb9; --accent: #7ab3ff;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
header, main, footer, nav { max-width: 64rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
h1, h2, h3, h4, h5 { line-height: 1.25; margin: 1.6em 0 .5em; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; margin-top: 0; } h2 { font-size: 1.4rem; margin-top: 0; }
h3 { font-size: 1.15rem; } h4, h5 { font-size: 1rem; }
p, ul { margin: .6em 0; max-width: 46rem; overflow-wrap: break-word; }
ul { padding-left: 1.3rem; } li { margin: .3rem 0; overflow-wrap: anywhere; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100rem; top: 0; padding: .6rem 1rem; background: var(--ground);
  z-index: 2; }
.skip:focus { left: 0; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.lead { font-size: 1.15rem; border-left: .3rem solid var(--accent); padding: .2rem 0 .2rem 1rem;
  margin: 1rem 0; }
.about { color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: .7rem 0;
  margin: .8rem 0 0; max-width: none; border-block: 1px solid var(--line); }
nav li { margin: 0; }
nav a { display: inline-block; padding: .25rem 0; }
section { padding-top: 2.2rem; }
.wide { overflow-x: auto; margin: .8rem 0 1.2rem; position: relative; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .94rem; }
th, td { padding: .38rem .65rem; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); }
td { white-space: nowrap; }
thead th { background: var(--raised); vertical-align: bottom; }
th[scope=row] { font-weight: 400; position: sticky; left: 0; background: var(--ground);
  max-width: 15rem; overflow-wrap: break-word; }
.word { text-align: left; }
td.word { white-space: normal; min-width: 10rem; overflow-wrap: anywhere; }
small { display: block; color: var(--soft); font-size: .86em; white-space: nowrap; }
th[scope=row] small { white-space: normal; }
figure { margin: 1rem 0 1.4rem; max-width: 36rem; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .3rem; overflow-wrap: anywhere; }
.charts { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.charts.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 12rem), 1fr));
  gap: 0 1rem; }
.small figcaption { font-weight: 400; font-size: .9rem; }
svg, img { display: block; width: 100%; height: auto; }
img { background: #fff; border-radius: 4px; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  fill: var(--ink); }
svg text.ours { font-weight: 700; }
svg path, svg polyline { fill: none; }
.tick { stroke: var(--line); stroke-width: 1; } .axis { stroke: var(--other); stroke-width: 1; }
.reference { stroke: var(--rival); stroke-width: 1.5; stroke-dasharray: 4 3; }
.whisker { stroke: var(--other); stroke-width: 2.5; }
.whisker.ours { stroke: var(--ours); } .whisker.rival { stroke: var(--rival); }
.dot { stroke: var(--other); stroke-width: 2; fill: var(--ground); }
.dot.ours { stroke: var(--ours); fill: var(--ours); }
.dot.rival { stroke: var(--rival); fill: var(--rival); }
svg path.published { fill: var(--ink); stroke: var(--ground); stroke-width: 1; }
.curve { stroke: var(--ours); stroke-width: 1.6; stroke-linejoin: round; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .8rem 0; padding: 0 .9rem; }
summary { cursor: pointer; padding: .6rem 0; font-weight: 600; overflow-wrap: anywhere; }
details[open] > summary { border-bottom: 1px solid var(--line); margin-bottom: .6rem; }
footer { color: var(--soft); padding-top: 2rem; padding-bottom: 3rem; font-size: .94rem; }
@media (max-width: 30rem) {
  h1 { font-size: 1.45rem; } h2 { font-size: 1.25rem; }
  th, td { padding: .32rem .45rem; }
  th[scope=row] { max-width: 8.5rem; }
  td.word { min-width: 7.5rem; }
  .charts.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 9rem), 1fr)); }
}
@media print {
  :root { color-scheme: light; }
  body { font-size: 9.5pt; }
  header, main, footer { max-width: none; padding: 0; }
  nav, .skip { display: none; }
  details { border: 0; padding: 0; }
  details::details-content { display: block; content-visibility: visible; block-size: auto; }
  summary { list-style: none; }
  .wide { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .3rem; } td { white-space: normal; }
  th[scope=row] { position: static; }
  thead { display: table-header-group; }
  tr, figure, li { break-inside: avoid; }
  h1, h2, h3, h4, h5, summary, figcaption { break-after: avoid; }
  section { padding-top: 1.2rem; }
  .charts { grid-template-columns: 1fr 1fr; }
  .charts.small { grid-template-columns: repeat(4, 1fr); }
}
"""
