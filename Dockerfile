# JupyterLab with the course, for JupyterHub and for a machine of your own:
#   docker build -t videoformer_edu . && docker run --rm -p 127.0.0.1:8888:8888 videoformer_edu
FROM python:3.11-slim
RUN useradd --create-home learner && mkdir /course && chown learner /course
WORKDIR /course
COPY --chown=learner . .
# PyTorch's build for the processor alone is enough; name its index (pytorch.org tells it) to keep the image small:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=ADDRESS -t videoformer_edu .
ARG PIP_EXTRA_INDEX_URL
RUN pip install --no-cache-dir -c constraints.txt -e '.[lab]' jupyterhub
USER learner
EXPOSE 8888
CMD ["python", "-m", "videoformer_edu.lab", "--ip=0.0.0.0", "--port=8888", "--no-browser"]
