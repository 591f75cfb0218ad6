"use strict";
/* The session explorer: an agent, a seed and a user; what they were shown, and what that did to them. */

(() => {
  const { data, redraws, plain, theme, axis, layout, CONFIG } = report;
  const GAINED = 0.1; // where the scale of affinities turns from straight to logarithmic
  const bend = (affinity) => Math.asinh(affinity / GAINED);

  /* A packed session with what is left out put back: items by name, all affinities before each step. */
  const unpack = (world, session) => {
    const now = new Map(session.affinities[0].map((genre, i) => [genre, session.affinities[1][i]]));
    return session.steps.map(([items, ratings, chosen, reward, moved]) => {
      for (let i = 0; i < moved.length; i += 2) now.set(moved[i], moved[i + 1]);
      const shown = items.map((item, i) => {
        const [title, genres, violence, measured] = world.items[item];
        const names = genres.map((genre) => world.genres[genre]);
        return { title, genres: names, violence, imputed: violence !== null && measured === false, rating: ratings[i] };
      });
      return { shown, chosen, reward, affinities: new Map(now) };
    });
  };

  const rounded = (number) =>
    Math.abs(number) >= 1000 ? number.toExponential(1) : String(Number(number.toPrecision(2)));

  /* The affinities that moved most from this step to the next, in words. */
  const moves = (world, step, next) => {
    if (!next) return "";
    return [...step.affinities]
      .map(([genre, before]) => [world.genres[genre], before, next.affinities.get(genre)])
      .filter(([, before, after]) => Math.abs(bend(after) - bend(before)) > 0.005 && rounded(before) !== rounded(after))
      .sort((a, b) => Math.abs(bend(b[2]) - bend(b[1])) - Math.abs(bend(a[2]) - bend(a[1])))
      .slice(0, 3)
      .map(([name, before, after]) => `${name} ${rounded(before)} → ${rounded(after)}`)
      .join(", ");
  };

  const cell = (text) => {
    const made = document.createElement("td");
    made.setAttribute("role", "cell");
    made.textContent = text;
    return made;
  };

  const fill = (world, body, steps) => {
    const rows = steps.flatMap((step, number) => step.shown.map((item, position) => {
      const row = document.createElement("tr");
      row.setAttribute("role", "row");
      const taken = position === step.chosen;
      const last = position === step.shown.length - 1;
      if (!taken) row.className = "passed";
      if (position === 0) row.classList.add("begins");
      const unknown = item.violence === null;
      const violence = cell(unknown ? "not known" : `${item.violence.toFixed(2)}${item.imputed ? " imputed" : ""}`);
      if (!unknown) {
        const meter = document.createElement("span");
        meter.className = "meter";
        meter.style.setProperty("--share", Math.min(1, Math.max(0, item.violence)));
        meter.setAttribute("aria-hidden", "true");
        violence.prepend(meter);
      }
      violence.title = "violence";
      row.append(
        cell(position === 0 ? String(number + 1) : ""), cell(item.title), cell(item.genres.join(", ") || "not known"),
        cell(`${item.rating.toFixed(1)} ★`), violence,
        cell(taken ? "✓ chosen" : step.chosen < 0 && last ? "none" : ""),
        cell(last ? moves(world, step, steps[number + 1]) : ""));
      return row;
    }));
    body.replaceChildren(...rows);
  };

  const draw = (chart, world, steps) => {
    const colours = theme();
    const at = steps.map((_, i) => i + 1);
    const taken = steps.map((step) => step.shown[step.chosen] ?? null);
    const titles = taken.map((item) => (item ? plain(item.title) : "nothing chosen"));
    const genres = [...steps[0].affinities.keys()].map((genre) => world.genres[genre]);
    const table = [...steps[0].affinities.keys()].map((genre) => steps.map((step) => step.affinities.get(genre)));
    const most = Math.max(GAINED, ...table.flat().map(Math.abs));
    const top = Math.floor(Math.log10(most));
    const half = Math.floor(top / 2);
    const powers = half !== top && bend(10 ** half) > 0.3 * bend(most) ? [top, half] : [top];
    const ticks = [0, ...powers.flatMap((power) => [10 ** power, -(10 ** power)])];
    const line = (name, yaxis, color, symbol, dash) => ({
      x: at, y: taken.map((item) => item?.[name] ?? null), text: titles, mode: "lines+markers", yaxis, name,
      line: { color, width: 1.2, dash }, marker: { symbol, size: 6 },
      hovertemplate: `%{x}: %{text}<br>${name} %{y:.2f}<extra></extra>`,
    });
    const traces = [
      line("rating", "y2", colours.accent, "circle", "solid"),
      line("violence", "y3", colours.high, "triangle-up", "dot"),
      {
        type: "heatmap", x: at, y: genres, z: table.map((row) => row.map(bend)), customdata: table,
        xgap: chart.clientWidth < 12 * steps.length ? 0 : 1, ygap: 1,
        zmin: -bend(most), zmax: bend(most), colorscale: [[0, colours.low], [0.5, colours.middle], [1, colours.high]],
        colorbar: {
          thickness: 10, len: 0.62, y: 0, yanchor: "bottom", outlinewidth: 0,
          title: { text: "affinity", font: { color: colours.quiet, size: 12 } },
          tickfont: { color: colours.quiet, size: 11 },
          tickvals: ticks.map(bend), ticktext: ticks.map(rounded),
        },
        hovertemplate: "%{y} before step %{x}: %{customdata:.3~g}<extra></extra>",
      },
    ];
    const axes = layout(colours, "Step", "");
    axes.xaxis.range = [0.5, steps.length + 0.5];
    axes.xaxis.anchor = "y";
    const ordinate = (title, domain, more) => ({ ...axis(colours, title), domain, ...more });
    axes.yaxis = ordinate("", [0, 0.62], {
      autorange: "reversed", tickvals: genres, ticktext: genres.map(plain), showgrid: false,
    });
    axes.yaxis2 = ordinate("Rating", [0.83, 1], { range: [0.7, 5.3], tickvals: [1, 3, 5] });
    axes.yaxis3 = ordinate("Violence", [0.65, 0.79], { range: [-0.08, 1.08], tickvals: [0, 0.5, 1] });
    Plotly.react(chart, traces, axes, CONFIG);
  };

  const choose = (select, options, wanted) => {
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === wanted)));
    if (!options.some(([value]) => value === wanted) && options.length) select.selectedIndex = 0;
  };

  const explorer = (place, world) => {
    const { agent, seed, session, previous, next } = place.querySelector("form").elements;
    const entries = world.entries.filter((entry) => world.runs.some((run) => run.label === entry.label));
    const favourite = entries.find((entry) => !entry.simple) ?? entries[0];
    const show = () => {
      const runs = world.runs.filter((run) => run.label === agent.value);
      choose(seed, runs.map((run) => [String(run.seed), String(run.seed)]), seed.value);
      const { sessions } = runs.find((run) => String(run.seed) === seed.value);
      choose(session, sessions.map((one, i) => [String(i), one.user]), session.value);
      const number = session.selectedIndex;
      previous.disabled = number === 0;
      next.disabled = number === sessions.length - 1;
      const { user } = sessions[number];
      const steps = unpack(world, sessions[number]);
      const taken = steps.map((step) => step.shown[step.chosen]).filter(Boolean);
      const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
      const mean = (name) => {
        const known = taken.map((item) => item[name]).filter((number) => number !== null);
        return known.length ? (total(known) / known.length).toFixed(2) : "not known";
      };
      const gained = total(steps.map((step) => step.reward)).toFixed(1);
      const about = `User ${user}, ${agent.value}, seed ${seed.value}: ${steps.length} steps, return ${gained}`;
      place.querySelector(".about").textContent = taken.length
        ? `${about}; of ${taken.length} chosen the mean rating is ${mean("rating")} ★, violence ${mean("violence")}.`
        : `${about}; nothing was chosen.`;
      place.querySelector("caption").textContent = `What user ${user} was shown.`;
      fill(world, place.querySelector("tbody"), steps);
      draw(place.querySelector(".chart"), world, steps);
      place.querySelector(".steps-scroll").scrollTop = 0;
    };
    const turn = (by) => {
      session.selectedIndex += by;
      show();
    };
    choose(agent, entries.map(({ label }) => [label, label]), favourite.label);
    [agent, seed, session].forEach((select) => select.addEventListener("change", show));
    previous.addEventListener("click", () => turn(-1));
    next.addEventListener("click", () => turn(1));
    if (world.leftOut) {
      place.querySelector(".left-out").textContent =
        `${world.leftOut} more recorded sessions are in the folders; the page has no room for them.`;
    }
    redraws.push(show);
    show();
  };

  document.querySelectorAll("section.world").forEach((section) => {
    const world = data.worlds[Number(section.dataset.world)];
    const place = section.querySelector(".explorer");
    if (place && world.runs.length) explorer(place, world);
    else place?.remove();
  });
})();
