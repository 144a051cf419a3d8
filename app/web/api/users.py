"""Users and whom they follow."""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi import APIBlueprint, Tag

from app.web.current import services
from app.web.schemas import EdgePath, Problem, UserOut, UserPath, UsersOut, UsersQuery, user_json

api = APIBlueprint(
    "users",
    __name__,
    url_prefix="/api/users",
    abp_tags=[Tag(name="users")],
    abp_responses={"404": Problem, "503": Problem},
)


@api.get("", responses={200: UsersOut})
def listing(query: UsersQuery) -> Response:
    """Users of a kind, most followed first"""
    users = services().users.list(query.kind, query.limit)
    return jsonify({"users": [user_json(user) for user in users]})


@api.get("/<int:user_id>", responses={200: UserOut})
def one(path: UserPath) -> Response:
    """One user"""
    return jsonify(user_json(services().users.get(path.user_id)))


@api.put("/<int:user_id>/following/<int:followee_id>", responses={204: None})
def follow(path: EdgePath) -> tuple[str, int]:
    """Follow somebody; harmless to repeat"""
    services().graph.follow(path.user_id, path.followee_id)
    return "", 204


@api.delete("/<int:user_id>/following/<int:followee_id>", responses={204: None})
def unfollow(path: EdgePath) -> tuple[str, int]:
    """Unfollow somebody; harmless to repeat"""
    services().graph.unfollow(path.user_id, path.followee_id)
    return "", 204
