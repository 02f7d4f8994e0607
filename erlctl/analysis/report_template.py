"""The page of `erlctl report`; @@NAMES@@ are replaced."""

TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
  style-src 'unsafe-inline'">
<title>@@TITLE@@</title>
<style>
:root { --ink: #1c1c1c; --soft: #5c5c5c; --line: #d9d9d9; --paper: #ffffff; --mark: #0072b2;
  --warn: #b04a00; --warn-paper: #fdf3ec; --shade: #0005; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e4; --soft: #a8a8a8; --line: #3c3f43;
  --paper: #17191c; --mark: #6cb8ea; --warn: #ff9d5c; --warn-paper: #2b2119;
  --shade: #fff5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem 1.25rem 3rem; color: var(--ink);
  background: var(--paper);
       font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 0.25rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; padding-bottom: 0.25rem; border-bottom: 2px
  solid var(--mark); }
p.summary { color: var(--soft); margin: 0; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; list-style: none; padding: 0;
  margin: 0.75rem 0 0; }
/* A shade at the edge where a table goes on; paper that moves with it hides that at its end. */
.scroll { overflow-x: auto; max-width: 100%; margin: 0 0 0.5rem; background:
  linear-gradient(to left, var(--paper) 40%, transparent) right / 3rem 100% no-repeat local,
  linear-gradient(to right, var(--paper) 40%, transparent) left / 3rem 100% no-repeat local,
  linear-gradient(to left, var(--shade), transparent) right / 1rem 100% no-repeat scroll,
  linear-gradient(to right, var(--shade), transparent) left / 1rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
h3 { font-size: 0.95rem; margin: 1rem 0 0; }
th, td { padding: 0.3rem 0.75rem 0.3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: normal; }
thead th { border-bottom: 2px solid var(--ink); white-space: nowrap; }
table.numbers td, table.numbers th { text-align: right; white-space: nowrap; padding: 0.3rem
  0.75rem; }
table.words td { min-width: 4rem; max-width: 34rem; }
table.words:not(.runs) td { overflow-wrap: anywhere; }
table.runs td:first-child { min-width: 12rem; overflow-wrap: anywhere; }
table.runs td:nth-child(6) { white-space: nowrap; }
table.numbers td:first-child, table.numbers th:first-child { text-align: left; padding-left: 0;
  }
ul.verdict { padding-left: 1.1rem; margin: 0.5rem 0 1rem; }
ul.caveat { padding: 0.5rem 0.75rem 0.5rem 1.75rem; margin: 1rem 0; border-left: 4px solid
  var(--warn); background: var(--warn-paper); }
figure { margin: 1.5rem 0; }
/* Figures keep their white paper in the dark: their colours are made for it. */
figure img { display: block; max-width: 100%; height: auto; background: #ffffff; padding: 0.5rem;
  border-radius: 0.4rem; }
tr.failed td:nth-child(5), tr.diverged td:nth-child(5), tr.interrupted td:nth-child(5) { color:
  var(--warn); font-weight: 600; }
a { color: var(--mark); }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.85rem; }
@media (max-width: 40rem) { body { padding: 0.75rem 0.75rem 2rem; } h1 { font-size: 1.3rem; }
  table { font-size: 0.8rem; } table.numbers td, table.numbers th { padding: 0.3rem 0.35rem; }
  table.numbers td:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 6rem; } }
@media print { body { max-width: none; } figure, table { break-inside: avoid; } }
</style>
</head>
<body>
<h1>@@TITLE@@</h1>
<p class="summary">@@SUMMARY@@</p>
<nav aria-label="Contents"><ul>@@CONTENTS@@</ul></nav>
@@BODY@@
<footer>Written by erlctl @@VERSION@@. The unit of every interval and test is the run.
  Intervals are 95 %.</footer>
</body>
</html>
"""
