"""Annotations as files hold them: formats read, written, converted and checked."""
