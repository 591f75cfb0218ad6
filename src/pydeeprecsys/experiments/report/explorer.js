"use strict";
/* The session explorer: an agent, a seed and a user; what they were shown, and what that did to them. */

(() => {
  const { data, redraws, plain, theme, axis, layout, react } = report;
  const GAINED = 0.1; // where the scale of affinities turns from straight to logarithmic
  const ROWS = 24; // of the table at a time
  const CATEGORIES = 24; // in the chart
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

  const rowsOf = (world, steps) => steps.flatMap((step, number) => step.shown.map((item, position) => {
    const row = document.createElement("tr");
    row.setAttribute("role", "row");
    row.dataset.step = number + 1;
    const taken = position === step.chosen;
    const none = step.chosen < 0 && position === step.shown.length - 1;
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
      cell(`${item.rating.toFixed(1)} ★`), violence, cell(taken ? "✓ chosen" : none ? "none" : ""),
      cell(taken || none ? moves(world, step, steps[number + 1]) : ""));
    return row;
  }));

  /* Shows the table a page at a time: as many whole steps as there is room for. */
  const pager = (place) => {
    const { earlier, later } = Object.fromEntries([...place.querySelectorAll(".pages button")].map((b) => [b.name, b]));
    const said = place.querySelector(".pages span");
    let rows, size, from;
    const show = () => {
      const shown = rows.slice(from, from + size);
      place.querySelector("tbody").replaceChildren(...shown);
      earlier.disabled = from === 0;
      later.disabled = from + size >= rows.length;
      const [first, last, all] = [shown[0], shown.at(-1), rows.at(-1)].map((row) => row.dataset.step);
      said.textContent = `steps ${first} to ${last} of ${all}`;
    };
    const turn = (by) => () => {
      from += by * size;
      show();
    };
    earlier.addEventListener("click", turn(-1));
    later.addEventListener("click", turn(1));
    return (made, slate) => {
      [rows, size, from] = [made, slate > ROWS ? ROWS : ROWS - (ROWS % slate), 0];
      place.querySelector(".pages").hidden = rows.length <= size;
      show();
    };
  };

  const draw = (chart, world, steps) => {
    const colours = theme();
    const at = steps.map((_, i) => i + 1);
    const taken = steps.map((step) => step.shown[step.chosen] ?? null);
    const titles = taken.map((item) => (item ? plain(item.title) : "nothing chosen"));
    const all = [...steps[0].affinities.keys()];
    const largest = (genre) => Math.max(...steps.map((step) => Math.abs(step.affinities.get(genre))));
    const strongest = all.filter(largest).sort((one, other) => largest(other) - largest(one)).slice(0, CATEGORIES);
    const kept = all.filter((genre) => strongest.includes(genre));
    const table = kept.map((genre) => steps.map((step) => step.affinities.get(genre)));
    const short = (name) => (chart.clientWidth < 500 && name.length > 14 ? `${name.slice(0, 13)}…` : name);
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
    const lines = [["rating", "Rating", colours.accent, "circle", "solid", [0.7, 5.3], [1, 3, 5]]];
    if (world.hasViolence) {
      lines.push(["violence", "Violence", colours.high, "triangle-up", "dot", [-0.08, 1.08], [0, 0.5, 1]]);
    }
    // In pixels: a row for each category, below a panel for each line.
    const [row, panel, gap] = [Math.max(17, 110 / kept.length), 84, 20];
    const heat = kept.length && kept.length * row;
    const height = heat + lines.length * (panel + gap);
    chart.style.height = `${height + 60}px`;
    const axes = layout(colours, "Step", "");
    axes.xaxis.range = [0.5, steps.length + 0.5];
    axes.xaxis.anchor = kept.length ? "y" : "y2";
    const ordinate = (title, domain, more) => ({ ...axis(colours, title), domain, ...more });
    axes.yaxis = ordinate("", [0, Math.max(0.001, heat / height)], {
      autorange: "reversed", tickvals: kept.map((_, i) => i), ticktext: kept.map((genre) => plain(short(world.genres[genre]))),
      showgrid: false,
    });
    const traces = lines.map(([name, title, color, symbol, dash, range, tickvals], i) => {
      const top = height - i * (panel + gap);
      axes[`yaxis${i + 2}`] = ordinate(title, [(top - panel) / height, top / height], { range, tickvals });
      return line(name, `y${i + 2}`, color, symbol, dash);
    });
    if (kept.length) {
      traces.push({
        type: "heatmap", x: at, y: kept.map((_, i) => i), z: table.map((row) => row.map(bend)), customdata: table,
        text: kept.map((genre) => at.map(() => plain(world.genres[genre]))),
        xgap: chart.clientWidth < 12 * steps.length ? 0 : 1, ygap: 1,
        zmin: -bend(most), zmax: bend(most), colorscale: [[0, colours.low], [0.5, colours.middle], [1, colours.high]],
        colorbar: {
          thickness: 10, len: heat / height, y: 0, yanchor: "bottom", outlinewidth: 0,
          title: { text: "affinity", font: { color: colours.quiet, size: 12 } },
          tickfont: { color: colours.quiet, size: 11 },
          tickvals: ticks.map(bend), ticktext: ticks.map(rounded),
        },
        hovertemplate: "%{text} before step %{x}: %{customdata:.3~g}<extra></extra>",
      });
    }
    react(chart, traces, axes);
    return kept.length < all.length ? `Only the ${kept.length} strongest of ${all.length} affinities are drawn.` : "";
  };

  const choose = (select, options, wanted) => {
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === wanted)));
    if (!options.some(([value]) => value === wanted) && options.length) select.selectedIndex = 0;
  };

  const explorer = (place, world) => {
    const { agent, seed, session, previous, next } = place.querySelector("form").elements;
    const entries = world.entries.filter((entry) => world.runs.some((run) => run.label === entry.label));
    const favourite = entries.find((entry) => !entry.simple) ?? entries[0];
    const fill = pager(place);
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
      const violence = world.hasViolence ? `, violence ${mean("violence")}` : "";
      const about = `User ${user}, ${agent.value}, seed ${seed.value}: ${steps.length} steps, return ${gained}`;
      place.querySelector(".about").textContent = taken.length
        ? `${about}; of ${taken.length} chosen the mean rating is ${mean("rating")} ★${violence}.`
        : `${about}; nothing was chosen.`;
      place.querySelector("caption").textContent = `What user ${user} was shown.`;
      fill(rowsOf(world, steps), Math.max(...steps.map((step) => step.shown.length)));
      place.querySelector(".not-drawn").textContent = draw(place.querySelector(".chart"), world, steps);
    };
    const turn = (by) => {
      session.selectedIndex += by;
      show();
    };
    choose(agent, entries.map(({ label }) => [label, label]), favourite.label);
    [agent, seed, session].forEach((select) => select.addEventListener("change", show));
    previous.addEventListener("click", () => turn(-1));
    next.addEventListener("click", () => turn(1));
    place.classList.toggle("no-violence", !world.hasViolence);
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
