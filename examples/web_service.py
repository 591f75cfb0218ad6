"""A web service that recommends by an exported policy. Run: python examples/web_service.py POLICY [--epsilon 0.1]"""

import argparse
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from pydeeprecsys.errors import InputError
from pydeeprecsys.serving.exploration import EpsilonGreedy
from pydeeprecsys.serving.policy import Policy

log = logging.getLogger("slates")


class Asked(BaseModel, extra="forbid", strict=True):
    user: dict[str, Any] | None = None  # such as {"age": 35, "sex": "F"}
    history: list[Any] = []  # such as [["1193", 4.0], ["661", null]], oldest first
    candidates: list[str] | None = None
    k: int = 10


def service(policy: Policy, epsilon: float) -> FastAPI:
    app = FastAPI()
    explore = EpsilonGreedy(epsilon) if epsilon else None

    @app.exception_handler(InputError)
    def refuse(_: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)

    @app.exception_handler(RequestValidationError)
    def refuse_form(_: Request, error: RequestValidationError) -> JSONResponse:
        fault = error.errors()[0]
        return JSONResponse({"detail": f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"}, status_code=422)

    @app.post("/slates")
    def recommend(asked: Asked) -> dict[str, Any]:
        slate = policy.rank(asked.user, asked.history, candidates=asked.candidates, k=asked.k, explore=explore)
        request, time = uuid4().hex, datetime.now(UTC).isoformat()
        items, propensities = [each.item for each in slate], [each.propensity for each in slate]
        line = {"request": request, "time": time, "policy": policy.contract["checksum"], **asked.model_dump()}
        log.info(json.dumps(line | {"slate": items, "propensities": propensities}))
        return {
            "request": request,
            "items": [each._asdict() | {"title": policy.items[each.item].title} for each in slate],
        }

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", help="folder written by 'pydeeprecsys export'")
    parser.add_argument("--epsilon", type=float, default=0.0, help="probability of a random slate")
    parser.add_argument(
        "--log", type=Path, default=Path("output/slates.jsonl"), help="file to which a line is added per request"
    )
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    try:
        app = service(Policy.load(options.policy), options.epsilon)
    except InputError as error:
        parser.error(str(error))
    options.log.parent.mkdir(parents=True, exist_ok=True)
    log.setLevel(logging.INFO)
    log.addHandler(logging.FileHandler(options.log, encoding="utf-8"))
    uvicorn.run(app, port=options.port)
