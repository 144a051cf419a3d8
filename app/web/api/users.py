"""Users and whom they follow."""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi import APIBlueprint, Tag
from pydantic import RootModel

from app.engine.models import User
from app.web.api.schemas import EdgePath, Problem, UserList, UserPath, UsersQuery
from app.web.current import services

api = APIBlueprint(
    "users",
    __name__,
    url_prefix="/api/users",
    abp_tags=[Tag(name="users")],
)


@api.get("", responses={200: RootModel[UserList]})
def listing(query: UsersQuery) -> Response:
    """Users of a kind, most followed first"""
    return jsonify(UserList(users=services().users.list(query.kind, query.limit)))


@api.get("/<int:user_id>", responses={200: RootModel[User]})
def one(path: UserPath) -> Response:
    """One user"""
    return jsonify(services().users.get(path.user_id))


@api.put("/<int:user_id>/following/<int:followee_id>", responses={204: None, 409: Problem})
def follow(path: EdgePath) -> tuple[str, int]:
    """Follow somebody; harmless to repeat"""
    services().engine.follow(path.user_id, path.followee_id)
    return "", 204


@api.delete("/<int:user_id>/following/<int:followee_id>", responses={204: None, 409: Problem})
def unfollow(path: EdgePath) -> tuple[str, int]:
    """Unfollow somebody; harmless to repeat"""
    services().engine.unfollow(path.user_id, path.followee_id)
    return "", 204
