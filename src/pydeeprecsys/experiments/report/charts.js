"use strict";
/* Draws the charts of each world from the data in the page. Text from the data goes to the page as text alone. */

const report = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SHAPES = { // of the markers, around 0
    circle: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z", square: "M-4.5 -4.5h9v9h-9Z", diamond: "M0 -6L6 0L0 6L-6 0Z",
    "triangle-up": "M0 -5.5L6 4.5H-6Z", "triangle-down": "M0 5.5L6 -4.5H-6Z",
    cross: "M-2 -6h4v4h4v4h-4v4h-4v-4h-4v-4h4Z", x: "M-6 -3L-3 -6L0 -3L3 -6L6 -3L3 0L6 3L3 6L0 3L-3 6L-6 3L-3 0Z",
    star: "M0 -6.5L1.6 -2H6L2.5 .8L3.8 5.5L0 2.7L-3.8 5.5L-2.5 .8L-6 -2H-1.6Z",
  };
  const narrow = () => window.innerWidth < 640;

  /* Plotly reads a few tags in its labels; a name of a film is none. */
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
      ink: get("ink"), quiet: get("quiet"), grid: get("grid"), rule: get("rule"), raised: get("raised"),
      accent: get("accent"), low: get("low"), middle: get("middle"), high: get("high"),
      font: getComputedStyle(document.body).fontFamily,
    };
  };

  const translucent = (hex, share) => hex + Math.round(share * 255).toString(16).padStart(2, "0");

  /* How each line looks: colour, dashes and marker, each enough to tell it by. */
  const looks = (entries) => new Map(entries.map(({ label, look, simple }) => [label, {
    ...look, dash: look.dashes.map((length) => `${length}px`).join() || "solid",
    symbol: look.marker + (simple ? "-open" : ""), width: simple ? 1.5 : 2.2, fill: simple ? "none" : look.color,
  }]));

  const axis = (colours, title) => ({
    title: { text: title, font: { color: colours.quiet, size: 13 }, standoff: 8 },
    gridcolor: colours.grid, linecolor: colours.rule, zeroline: false, tickfont: { color: colours.quiet, size: 12 },
    automargin: true, fixedrange: narrow(),
  });

  const layout = (colours, x, y) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: colours.font, color: colours.ink, size: 13 },
    margin: { l: 8, r: 12, t: 10, b: 8 }, dragmode: narrow() ? false : "zoom", hovermode: "closest",
    hoverlabel: {
      bgcolor: colours.raised, bordercolor: colours.rule, font: { family: colours.font, color: colours.ink },
    },
    xaxis: axis(colours, x), yaxis: axis(colours, y),
  });

  /* Draw a chart; on paper, whose width Plotly does not hear of, in the size of its place. */
  const react = (chart, traces, axes) => {
    const printed = document.documentElement.classList.contains("printed");
    const size = printed ? { width: chart.clientWidth, height: chart.clientHeight } : { autosize: true };
    Plotly.react(chart, traces, { ...axes, ...size }, { responsive: !printed, displayModeBar: false, displaylogo: false });
  };

  const band = (line, look, shape) => ({
    x: [...line.x, ...[...line.x].reverse()], y: [...line.high, ...[...line.low].reverse()],
    fill: "toself", fillcolor: translucent(look.color, 0.1), line: { width: 0, shape }, mode: "lines",
    hoverinfo: "skip",
  });

  /* A line with its band where there is one; across gaps of it there is none. */
  const lineWithBand = (line, label, look, shape, hover) => {
    const known = line.low.map((low, i) => low !== null && line.high[i] !== null);
    const part = (numbers) => numbers.filter((_, i) => known[i]);
    const traces = [];
    if (known.includes(true)) {
      traces.push(band({ x: part(line.x), low: part(line.low), high: part(line.high) }, look, shape));
    }
    traces.push({
      x: line.x, y: line.y, name: plain(label), mode: "lines+markers", hovertemplate: hover,
      line: { color: look.color, dash: look.dash, width: look.width, shape },
      marker: { symbol: look.symbol, color: look.color, size: 8, maxdisplayed: 7 },
    });
    return traces;
  };

  const curves = (world, shown, look, colours) => {
    const traces = [];
    const longest = Math.max(...world.entries.map((entry) => (entry.curve ? entry.curve.x.at(-1) : 0)));
    for (const entry of world.entries.filter((one) => shown.has(one.label))) {
      const own = look.get(entry.label);
      const label = plain(entry.label);
      if (entry.curve) {
        const hover = `${label}<br>episode %{x}: %{y:.2f}<extra></extra>`;
        traces.push(...lineWithBand(entry.curve, entry.label, own, "linear", hover));
      } else if (entry.reached !== null) {
        traces.push({
          x: [1, longest], y: [entry.reached, entry.reached], name: label, mode: "lines+markers",
          line: { color: own.color, dash: own.dash, width: own.width }, marker: { symbol: own.symbol, size: 8 },
          hovertemplate: `${label}, judged: %{y:.2f}<extra></extra>`,
        });
      }
    }
    const axes = layout(colours, "Episode", "Return");
    if (longest > 0) axes.xaxis.range = [0, 1.02 * longest];
    // The scale is that of the single seeds: bands from three or four may be many times as wide.
    const heights = world.entries.filter((one) => shown.has(one.label))
      .flatMap((one) => one.curve?.range ?? (one.reached === null ? [] : [one.reached]));
    const [low, high] = [Math.min(...heights), Math.max(...heights)];
    if (low < high) axes.yaxis.range = [low - 0.05 * (high - low), high + 0.05 * (high - low)];
    return [traces, axes];
  };

  const profiles = (world, shown, look, colours) => {
    const traces = world.profiles.filter((line) => shown.has(line.label)).flatMap((line) => {
      const hover = `${plain(line.label)}<br>above %{x:.3f}: %{y:.0%}<extra></extra>`;
      return lineWithBand(line, line.label, look.get(line.label), "hv", hover);
    });
    const scale = world.normalized ? "Normalized return (0 random, 1 oracle)" : "Return";
    const axes = layout(colours, scale, "Share of runs above");
    axes.yaxis.tickformat = ".0%";
    axes.yaxis.range = [-0.03, 1.03];
    return [traces, axes];
  };

  /* Finds places for labels around points, where no other label is; a label without one is left to the legend. */
  const placer = (points, width, height) => {
    const extent = (column) => {
      const numbers = points.map((point) => point[column]);
      return [Math.min(...numbers), Math.max(...numbers) - Math.min(...numbers) || 1];
    };
    const [left, wide] = extent(0);
    const [bottom, high] = extent(1);
    const at = (x, y) => [((x - left) / wide) * width, ((y - bottom) / high) * height];
    const taken = points.map(([x, y]) => at(x, y)).map(([x, y]) => ({ box: [x - 6, x + 6, y - 6, y + 6], weight: 1 }));
    return (x, y, label) => {
      const [px, py] = at(x, y);
      const half = 3.4 * label.length;
      const boxes = {
        "top center": [px - half, px + half, py + 9, py + 23],
        "bottom center": [px - half, px + half, py - 23, py - 9],
        "middle right": [px + 10, px + 10 + 2 * half, py - 7, py + 7],
        "middle left": [px - 10 - 2 * half, px - 10, py - 7, py + 7],
      };
      const crowded = ([l, r, b, t]) =>
        taken.filter(({ box }) => l < box[1] && r > box[0] && b < box[3] && t > box[2])
          .reduce((sum, { weight }) => sum + weight, l < -20 || r > width + 20 ? 10 : 0);
      const [best, box] = Object.entries(boxes).sort((one, other) => crowded(one[1]) - crowded(other[1]))[0];
      if (crowded(box) >= 3) return null;
      taken.push({ box, weight: 10 }); // two labels on each other say nothing
      return best;
    };
  };

  /* What is not known has no place on an axis. */
  const withKnownViolence = (entries) =>
    entries.map((entry) => ({ ...entry, points: entry.points.filter(([, violence]) => violence !== null) }));

  const scatter = (world, shown, look, colours, chart) => {
    const traces = [];
    const entries = withKnownViolence(world.entries).filter((one) => shown.has(one.label) && one.points.length);
    const points = entries.flatMap((entry) => entry.points.map(([, violence, value]) => [violence, value]));
    const place = placer(points, 0.8 * chart.clientWidth, 0.75 * chart.clientHeight);
    for (const entry of entries) {
      const own = look.get(entry.label);
      const label = plain(entry.label);
      const centre = [mean(entry.points, 1), mean(entry.points, 2)];
      if (entry.points.length > 1) {
        traces.push({
          x: entry.points.map((point) => point[1]), y: entry.points.map((point) => point[2]),
          text: entry.points.map((point) => `seed ${point[0]}`),
          mode: "markers", marker: { symbol: own.symbol, color: own.color, size: 6, opacity: 0.6 },
          hovertemplate: `${label}, %{text}<br>return %{y:.2f}, violence %{x:.3f}<extra></extra>`,
        });
      }
      const textposition = place(...centre, entry.label);
      traces.push({
        x: [centre[0]], y: [centre[1]], mode: textposition ? "markers+text" : "markers", text: [label],
        cliponaxis: false, textposition: textposition ?? "top center", textfont: { color: colours.ink, size: 12 },
        marker: { symbol: own.symbol, color: own.color, size: 13, line: { width: 2, color: own.color } },
        hovertemplate: `${label}, mean<br>return %{y:.2f}, violence %{x:.3f}<extra></extra>`,
      });
    }
    return [traces, layout(colours, "Violence shown", "Return")];
  };

  /* A line per agent through the values of an option, with a cross for the intervals of each point. */
  const front = (harm, title) => (world, shown, look, colours) => {
    const entries = world.entries.filter((one) => shown.has(one.label));
    const traces = entries.map(({ label, points }) => {
      const own = look.get(label);
      const column = (name) => points.map((point) => point[name]);
      const beyond = (name) => ({
        type: "data", symmetric: false, color: translucent(own.color, 0.35), thickness: 1.2, width: 0,
        array: points.map((point) => (point[`${name}_high`] ?? point[name]) - point[name]),
        arrayminus: points.map((point) => point[name] - (point[`${name}_low`] ?? point[name])),
      });
      return {
        x: column(harm), y: column("rating"), error_x: beyond(harm), error_y: beyond("rating"),
        mode: "lines+markers", line: { color: own.color, dash: own.dash, width: own.width },
        marker: { symbol: own.symbol, color: own.color, size: 9 },
        text: points.map(({ value }) => (value === null ? "" : ` at ${value}`)),
        hovertemplate: `${plain(label)}%{text}<br>rating %{y:.3f}, violence %{x:.3f}<extra></extra>`,
      };
    });
    const axes = layout(colours, title, "Rating of the items shown");
    // The scale is that of the points: intervals from three or four seeds may be many times as wide.
    for (const [axis, name] of [[axes.xaxis, harm], [axes.yaxis, "rating"]]) {
      const places = entries.flatMap(({ points }) => points.map((point) => point[name]));
      const [low, high] = [Math.min(...places), Math.max(...places)];
      const room = 0.08 * (high - low) || 0.1;
      if (places.length) axis.range = [low - room, high + room];
    }
    return [traces, axes];
  };

  /* What a chart shows, for those who do not see it. */
  const describe = (kind, world, shown) => {
    const say = {
      curves: ({ curve }) => curve && `ends at ${curve.y.at(-1).toFixed(1)}`,
      profiles: ({ label }) => {
        const x = world.profiles.find((line) => line.label === label)?.x;
        return x && `from ${x[0].toFixed(2)} to ${x.at(-1).toFixed(2)}`;
      },
      scatter: ({ points }) =>
        points.length && `violence ${mean(points, 1).toFixed(2)}, return ${mean(points, 2).toFixed(1)}`,
    }[kind] ?? (({ points }) =>
      points.map((point) => `${point[kind].toFixed(2)} with a rating of ${point.rating.toFixed(2)}`).join(", "));
    const entries = kind === "scatter" ? withKnownViolence(world.entries) : world.entries;
    const said = entries.filter((entry) => shown.has(entry.label) && say(entry));
    return said.map((entry) => `${entry.label}: ${say(entry)}`).join("; ");
  };

  const mean = (points, column) => points.reduce((sum, point) => sum + point[column], 0) / points.length;

  const CHARTS = {
    curves, profiles, scatter, violence: front("violence", "Violence, mean"), cvar: front("cvar", "Violence, CVaR"),
  };
  const redraws = [];

  /* The legend of all charts of a world: buttons that show and hide an agent. */
  const legend = (place, entries, shown, onChange) => {
    place.replaceChildren();
    const own = looks(entries);
    for (const { label } of entries) {
      const look = own.get(label);
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(shown.has(label)));
      button.append(sample(look), label);
      button.addEventListener("click", () => {
        shown.has(label) ? shown.delete(label) : shown.add(label);
        button.setAttribute("aria-pressed", String(shown.has(label)));
        onChange();
      });
      place.append(button);
    }
  };

  const sample = (look) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const part = (name, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
      svg.append(element);
    };
    svg.setAttribute("viewBox", "-20 -8 40 16");
    svg.setAttribute("aria-hidden", "true");
    const stroke = { stroke: look.color, "stroke-width": look.width };
    part("line", { x1: -20, x2: 20, y1: 0, y2: 0, ...stroke, "stroke-dasharray": look.dashes.join(" ") });
    part("path", { d: SHAPES[look.marker], fill: look.fill, ...stroke, "stroke-width": 1.5 });
    return svg;
  };

  document.querySelectorAll("section.world, section.front").forEach((section) => {
    const world = data.worlds[section.dataset.world] ?? data.fronts[section.dataset.front];
    const shown = new Set(world.entries.map((entry) => entry.label));
    const draw = () => {
      const colours = theme();
      const look = looks(world.entries);
      section.querySelectorAll(".chart").forEach((chart) => {
        const kind = chart.dataset.chart;
        if (!(kind in CHARTS)) return;
        react(chart, ...CHARTS[kind](world, shown, look, colours, chart));
        chart.setAttribute("aria-label", `${chart.dataset.label}. ${describe(kind, world, shown)}`);
      });
    };
    const place = section.querySelector(".legend");
    redraws.push(() => {
      if (place) legend(place, world.entries, shown, draw);
      draw();
    });
  });

  const redraw = () => redraws.forEach((one) => one());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("(max-width: 640px)").addEventListener("change", redraw);
  const onPaper = (printed) => () => {
    document.documentElement.classList.toggle("printed", printed);
    redraw();
  };
  window.addEventListener("beforeprint", onPaper(true));
  window.addEventListener("afterprint", onPaper(false));
  redraw();

  return { data, redraws, plain, theme, axis, layout, react, looks, legend, placer };
})();
