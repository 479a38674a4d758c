"""The challenge NEW_PASSWORD_REQUIRED of the local stack's emulator, as Cognito has it.

MiniStack 1.5.33 takes any session and any password. Cognito takes the session that it gave, once and for three minutes, and a password that
meets the pool's rules: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
"""

from __future__ import annotations

import json
import time
from typing import Any

# AuthSessionValidity of an app client, 3 minutes unless given.
SESSION_SECONDS = 180


def install() -> None:
    """Wraps the two functions of MiniStack. It is for the emulator's own process."""
    from ministack.services import cognito

    sessions: dict[str, tuple[str, float]] = {}
    sign_in, respond = cognito._password_auth_result, cognito._respond_to_auth_challenge

    def ask(pool: dict[str, Any], pid: str, cid: str, user: dict[str, Any], *more: Any, **named: Any) -> Any:
        answer = sign_in(pool, pid, cid, user, *more, **named)
        found = json.loads(answer[2])
        if found.get("ChallengeName") == "NEW_PASSWORD_REQUIRED":
            sessions[found["Session"]] = user["Username"], time.monotonic() + SESSION_SECONDS
        return answer

    def take(data: dict[str, Any]) -> Any:
        if data.get("ChallengeName") != "NEW_PASSWORD_REQUIRED":
            return respond(data)
        responses, session = data.get("ChallengeResponses", {}), data.get("Session", "")
        owner, expiry = sessions.get(session, ("", 0.0))
        if not owner or responses.get("USERNAME") != owner or expiry < time.monotonic():
            return cognito.error_response_json("NotAuthorizedException", "Invalid session for the user, session is expired.", 400)
        pool = next((pool for pool in cognito._user_pools.values() if data.get("ClientId") in pool["_clients"]), None)
        refused = pool and cognito._validate_password(pool, responses.get("NEW_PASSWORD", ""))
        if refused:
            return refused
        del sessions[session]
        return respond(data)

    cognito._password_auth_result, cognito._respond_to_auth_challenge = ask, take
