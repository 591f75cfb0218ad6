"use strict";
/* The charts of a search: the return of each complete trial in order, and by each hyperparameter that varies. */

(() => {
  const { data, redraws, plain, theme, layout, react } = report;

  const points = (search, x, y, trials) => ({
    x, y, mode: "markers", text: trials.map((trial) => `trial ${trial}`),
    marker: {
      color: search.look.color, symbol: trials.map((trial) => (trial === search.best ? "star" : "circle-open")),
      size: trials.map((trial) => (trial === search.best ? 13 : 8)), line: { width: 1.5, color: search.look.color },
    },
    hovertemplate: "%{text}<br>%{x}: return %{y:.2f}<extra></extra>",
  });

  const progress = (search, colours) => {
    const [trials, returns] = [0, 1].map((column) => search.trials.map((trial) => trial[column]));
    const best = returns.map((_, i) => Math.max(...returns.slice(0, i + 1)));
    const line = {
      x: trials, y: best, mode: "lines", hoverinfo: "skip",
      line: { color: search.look.color, width: 1.5, shape: "hv" },
    };
    const axes = layout(colours, "Trial", "Return");
    axes.xaxis.dtick = Math.ceil((trials.at(-1) + 1) / 10); // no halves of trials
    return [[line, points(search, trials, returns, trials)], axes];
  };

  const byParameter = (search, parameter, colours) => {
    const axes = layout(colours, plain(parameter.name), "Return");
    Object.assign(axes.xaxis, { type: parameter.type, categoryorder: "category ascending" });
    return [[points(search, parameter.values, parameter.returns, parameter.trials)], axes];
  };

  document.querySelectorAll("section.search").forEach((section) => {
    const search = data.searches[Number(section.dataset.search)];
    const draw = () => {
      const colours = theme();
      section.querySelectorAll(".chart").forEach((chart) => {
        const parameter = search.parameters[Number(chart.dataset.parameter)];
        react(chart, ...(parameter ? byParameter(search, parameter, colours) : progress(search, colours)));
      });
    };
    redraws.push(draw);
    draw();
  });
})();
