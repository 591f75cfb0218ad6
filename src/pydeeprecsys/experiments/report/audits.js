"use strict";
/* The charts of an audit, and its table of gaps. */

(() => {
  const { data, redraws, plain, theme, layout, react, looks, legend, placer } = report;

  const bars = ([value, low, high], color) => low === null ? { visible: false } : {
    type: "data", symmetric: false, array: [high - value], arrayminus: [value - low], color, thickness: 1.2, width: 3,
  };

  /* The return of each agent against another figure, with the intervals of both. */
  const against = (name, title) => (audit, shown, look, colours, chart) => {
    const entries = audit.entries.filter((one) => shown.has(one.label) && one[name][0] !== null);
    const points = entries.map((one) => [one[name][0], one.return[0]]);
    const place = points.length ? placer(points, 0.8 * chart.clientWidth, 0.75 * chart.clientHeight) : null;
    const traces = entries.map((entry) => {
      const own = look.get(entry.label);
      const position = place(entry[name][0], entry.return[0], entry.label);
      const group = name === "worst" ? ` of ${plain(entry.group)}` : "";
      return {
        x: [entry[name][0]], y: [entry.return[0]], text: [plain(entry.label)], cliponaxis: false,
        mode: position ? "markers+text" : "markers", textposition: position ?? "top center",
        textfont: { color: colours.ink, size: 12 },
        error_x: bars(entry[name], own.color), error_y: bars(entry.return, own.color),
        marker: { symbol: own.symbol, color: own.color, size: 12, line: { width: 2, color: own.color } },
        hovertemplate: `%{text}<br>return %{y:.2f}, ${title.toLowerCase()}${group} %{x:.3f}<extra></extra>`,
      };
    });
    return [traces, layout(colours, title, "Return")];
  };

  /* Markers of each agent on a row for each group of items, over bars of the catalogue if there are any. */
  const dots = ({ groups, items, catalogue, shares }, audit, shown, look, [colours, chart]) => {
    const short = (name) => plain(chart.clientWidth < 500 && name.length > 14 ? `${name.slice(0, 13)}…` : name);
    const at = groups.map((_, i) => i);
    chart.style.height = `${110 + 26 * groups.length}px`;
    const traces = catalogue ? [{
      type: "bar", orientation: "h", x: catalogue, y: at, marker: { color: colours.grid }, width: 0.7,
      customdata: items, text: groups.map(plain), textposition: "none",
      hovertemplate: "%{text}: %{customdata} items, %{x:.1%} of the catalogue<extra></extra>",
    }] : [];
    for (const { label } of audit.entries.filter((one) => shown.has(one.label))) {
      const own = look.get(label);
      traces.push({
        x: shares[label], y: at, mode: "markers", text: groups.map(plain), cliponaxis: false,
        marker: { symbol: own.symbol, color: own.color, size: 9, line: { width: 1.5, color: own.color } },
        hovertemplate: `${plain(label)}, %{text}: %{x:${catalogue ? "" : "+"}.1%}<extra></extra>`,
      });
    }
    const axes = layout(colours, catalogue ? "Share of what was shown" : "Change of the share", "");
    Object.assign(axes.yaxis, { tickvals: at, ticktext: groups.map(short), range: [groups.length - 0.4, -0.6] });
    Object.assign(axes.xaxis, { tickformat: ".0%", zeroline: true, zerolinecolor: colours.rule });
    return [traces, axes];
  };

  const exposure = (audit, shown, look, colours, chart, section) =>
    dots(audit.exposure[section.querySelector(".exposure-by select").value], audit, shown, look, [colours, chart]);

  const tastes = (audit, shown, look, colours, chart) => dots(audit.tastes, audit, shown, look, [colours, chart]);

  const steps = (audit, shown, look, colours, chart, section) => {
    const { figure, group } = section.querySelector(".steps-of").elements;
    const [column, name] = JSON.parse(group.value);
    const lines = audit.steps.lines[column][name];
    const traces = audit.entries.filter(({ label }) => shown.has(label) && label in lines).map(({ label }) => {
      const own = look.get(label);
      const { step, sessions } = lines[label];
      return {
        x: step, y: lines[label][figure.value], customdata: sessions, mode: "lines+markers",
        line: { color: own.color, dash: own.dash, width: own.width },
        marker: { symbol: own.symbol, color: own.color, size: 8, maxdisplayed: 7 },
        hovertemplate: `${plain(label)}, step %{x}: %{y:.3g}<br>%{customdata} sessions<extra></extra>`,
      };
    });
    const named = audit.steps.figures[figure.value];
    return [traces, layout(colours, "Step", named[0].toUpperCase() + named.slice(1))];
  };

  const CHARTS = {
    worst: against("worst", "Return of the worst group"), cvar: against("cvar", "CVaR of violence"), exposure, tastes,
    steps,
  };

  /* What a chart shows, for those who do not see it. */
  const describe = (audit, shown, kind) => audit.entries
    .filter((one) => shown.has(one.label) && kind in one && one[kind][0] !== null)
    .map((one) => `${one.label}: ${number(one[kind][0])}, return ${number(one.return[0])}`).join("; ");

  const number = (value) => {
    if (value === null) return "not known";
    return Math.abs(value) >= 1e5 ? value.toExponential(1) : value.toFixed(Math.abs(value) < 10 ? 3 : 2);
  };
  const signed = (value) => (value > 0 ? "+" : "") + number(value);

  /* A cell of a table, with an interval below its text if there is one. */
  const cell = (text, low = null, high = null) => {
    const made = document.createElement("td");
    made.textContent = text;
    if (low !== null) {
      const interval = document.createElement("span");
      interval.className = "quiet ends";
      interval.textContent = `${number(low)} to ${number(high)}`;
      made.append(interval);
    }
    return made;
  };

  const fillGaps = (section, gaps) => {
    const { agent, figure, column } = section.querySelector(".gaps-of").elements;
    const rows = gaps.rows[agent.value]?.[figure.value]?.[column.value] ?? [];
    section.querySelector(".gaps tbody").replaceChildren(...rows.map(
      ([group, users, value, low, high, gap, gapLow, gapHigh, effect, p]) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = group;
        const corrected = p === null ? "–" : p < 0.001 ? "below 0.001" : p.toFixed(3);
        const cells = [
          cell(users), cell(number(value), low, high), cell(gap === null ? "no other users" : signed(gap), gapLow, gapHigh),
          cell(effect === null ? "–" : effect.toFixed(2)), cell(corrected),
        ];
        if (p !== null && p < 0.05) [cells[2], cells[4]].forEach((one) => one.classList.add("main"));
        row.append(head, ...cells);
        return row;
      }));
    const small = gaps.small[column.value] ?? [];
    section.querySelector(".small-groups").textContent = small.length
      ? `Too small for a claim, under 30 users: ${small.map(([group, users]) => `${group} (${users})`).join("; ")}.` : "";
  };

  const fill = (select, options) => select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));

  document.querySelectorAll("section.audit").forEach((section) => {
    const audit = data.audits[Number(section.dataset.audit)];
    const shown = new Set(audit.entries.map((entry) => entry.label));
    const draw = () => {
      const colours = theme();
      const look = looks(audit.entries);
      section.querySelectorAll(".chart").forEach((chart) => {
        react(chart, ...CHARTS[chart.dataset.chart](audit, shown, look, colours, chart, section));
        chart.setAttribute("aria-label", `${chart.dataset.label}. ${describe(audit, shown, chart.dataset.chart)}`);
      });
    };
    const [gaps, by, line] = [".gaps-of", ".exposure-by", ".steps-of"].map((name) => section.querySelector(name));
    if (gaps) {
      fill(gaps.elements.agent, audit.entries.map(({ label }) => [label, label]));
      gaps.elements.agent.value = (audit.entries.find(({ simple }) => !simple) ?? audit.entries[0]).label;
      fill(gaps.elements.figure, audit.gaps.figures.map((name) => [name, name]));
      fill(gaps.elements.column, audit.gaps.columns.map((name) => [name, name]));
      gaps.addEventListener("change", () => fillGaps(section, audit.gaps));
      fillGaps(section, audit.gaps);
    }
    fill(by.elements.by, Object.keys(audit.exposure).map((name) => [name, name]));
    fill(line.elements.figure, Object.entries(audit.steps.figures));
    fill(line.elements.group, Object.entries(audit.steps.lines).flatMap(([column, groups]) =>
      Object.keys(groups).map((group) => [JSON.stringify([column, group]), column === group ? column : `${column}: ${group}`])));
    [by, line].forEach((form) => form.addEventListener("change", draw));
    redraws.push(() => {
      legend(section.querySelector(".legend"), audit.entries, shown, draw);
      draw();
    });
    redraws.at(-1)();
  });
})();
